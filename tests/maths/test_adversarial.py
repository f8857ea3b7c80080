"""The discriminator's loss, rewards and slope penalty, against plain formulas."""

import numpy as np
import pytest
import torch

from rewardlab.maths.adversarial import gradient_penalty, imitation_reward, told_apart


def test_the_loss_is_the_cross_entropy_of_its_probabilities() -> None:
    demonstrated, played = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([-3.0, 0.0, 1.0])
    probability = [1 / (1 + np.exp(-logits.double().numpy())) for logits in (demonstrated, played)]
    expected = -0.5 * (np.log(probability[0]).mean() + np.log(1 - probability[1]).mean())
    assert float(told_apart(demonstrated, played)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("form", "formula"),
    [
        ("logit", lambda d: np.log(d) - np.log(1 - d)),
        ("positive", lambda d: -np.log(1 - d)),
        ("negative", lambda d: np.log(d)),
    ],
)
def test_rewards_are_those_of_the_probability(form: str, formula) -> None:
    logits = torch.linspace(-6, 6, 25)
    probability = 1 / (1 + np.exp(-logits.double().numpy()))
    assert imitation_reward(logits, form).numpy() == pytest.approx(formula(probability), rel=1e-4, abs=1e-5)


def test_the_penalty_is_of_the_slope_between_the_pairs() -> None:
    """For |x|^2 the slope at a point is twice its distance from 0."""
    rng = torch.Generator().manual_seed(0)
    demonstrated, played = torch.randn(50, 3, generator=rng), torch.randn(50, 3, generator=rng)
    at = torch.rand(50, generator=rng)
    between = at[:, None] * demonstrated + (1 - at[:, None]) * played
    expected = (2 * between.norm(dim=1) - 1).square().mean()
    found = gradient_penalty(lambda x: x.square().sum(dim=1), demonstrated, played, at)
    assert float(found.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_the_penalty_has_a_gradient_of_its_own() -> None:
    """For w x the slope is |w|, and the penalty's derivative 2 (|w| - 1)."""
    weight = torch.tensor(3.0, requires_grad=True)
    penalty = gradient_penalty(lambda x: weight * x[:, 0], torch.ones(4, 1), torch.zeros(4, 1), torch.full((4,), 0.5))
    penalty.backward()
    assert float(penalty.detach()) == pytest.approx(4.0)
    assert float(weight.grad) == pytest.approx(4.0)
