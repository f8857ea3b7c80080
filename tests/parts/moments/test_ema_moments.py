"""Moving mean and deviation, against numbers worked out by hand."""

import pytest
import torch

from rewardlab.parts.moments.ema_moments import EmaMoments


def test_hand_made_numbers() -> None:
    moments = EmaMoments(0.5)
    assert (moments.mean, moments.batches) == (0.0, 0)
    assert moments.std == pytest.approx(1.0)
    moments.add(torch.tensor([0.0, 4.0]))  # the first batch counts alone: mean 2, variance 4
    assert (moments.mean, moments.std) == (pytest.approx(2.0), pytest.approx(2.0))
    moments.add(torch.tensor([[6.0], [6.0]]))  # mean 4; 0.5 * 4 + 0.5 * (6 - 4)^2 = 4
    assert (moments.mean, moments.std) == (pytest.approx(4.0), pytest.approx(2.0))


def test_nothing_changes_nothing_and_equal_data_never_divides_by_zero() -> None:
    moments = EmaMoments(0.9)
    moments.add(torch.empty(0))
    assert moments.batches == 0
    moments.add(torch.full((3,), 7.0))
    assert moments.std > 0


def test_state_round_trips() -> None:
    moments, other = EmaMoments(0.9), EmaMoments(0.9)
    for batch in torch.arange(12.0).reshape(3, 4):
        moments.add(batch)
    other.load_state_dict(moments.state_dict())
    other.add(torch.ones(2))
    moments.add(torch.ones(2))
    assert other.state_dict() == moments.state_dict()
