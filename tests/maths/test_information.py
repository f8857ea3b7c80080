"""The contrastive estimate against a sum by hand and a distribution whose information is known."""

import math

import pytest
import torch

from rewardlab.maths.information import contrastive_information


def test_by_hand() -> None:
    positive, negatives = torch.tensor([1.0, 0.5]), torch.tensor([[0.0, 2.0], [-1.0, -torch.inf]])
    first = math.log(math.exp(1.0) / ((math.exp(1.0) + math.exp(0.0) + math.exp(2.0)) / 3))
    second = math.log(math.exp(0.5) / ((math.exp(0.5) + math.exp(-1.0)) / 2))  # one is left out
    assert contrastive_information(positive, negatives).tolist() == pytest.approx([first, second])


def test_nothing_to_compare_with_is_no_information() -> None:
    assert contrastive_information(torch.tensor([3.0]), torch.empty(1, 0)).tolist() == [0.0]


def test_the_true_density_ratio_finds_the_information_of_gaussians() -> None:
    """x, z standard normal with correlation r: I = -1/2 log(1 - r^2)."""
    correlation, generator = 0.8, torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 4000, generator=generator, dtype=torch.float64)
    z = correlation * x + math.sqrt(1 - correlation**2) * noise
    others = torch.randn(1000, generator=generator, dtype=torch.float64)

    def score(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return -0.5 * ((z - correlation * x) ** 2 / (1 - correlation**2) - z**2)

    found = contrastive_information(score(x, z), score(x.unsqueeze(1), others.unsqueeze(0))).mean()
    assert float(found) == pytest.approx(-0.5 * math.log(1 - correlation**2), abs=0.05)
    indifferent = contrastive_information(torch.zeros(10), torch.zeros(10, 5)).mean()
    assert float(indifferent) == pytest.approx(0.0, abs=1e-6)
