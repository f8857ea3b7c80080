"""The losses of PPO against numbers worked out by hand."""

import math

import pytest
import torch

from rewardlab.maths.losses import approximate_kl, clipped_policy_loss, value_loss


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.1, 2.0, -2.2),  # within the clip
        (1.5, 2.0, -2.4),  # a good action's ratio pays up to 1.2
        (1.5, -2.0, 3.0),  # a bad action that became likelier is punished in full
        (0.5, -2.0, 1.6),  # and one that became rarer pays up to 0.8
        (0.5, 2.0, -1.0),
    ],
)
def test_clipped_policy_loss(ratio, advantage, expected):
    found = clipped_policy_loss(torch.tensor([ratio]), torch.tensor([advantage]), 0.2)
    assert found.item() == pytest.approx(expected)


def test_clipped_policy_loss_is_a_mean():
    found = clipped_policy_loss(torch.tensor([[1.1, 1.5]]), torch.tensor([[2.0, -2.0]]), 0.2)
    assert found.item() == pytest.approx((-2.2 + 3.0) / 2)


def test_no_gradient_beyond_the_clip():
    ratio = torch.tensor([1.5, 0.5, 1.0], requires_grad=True)
    clipped_policy_loss(ratio, torch.tensor([1.0, -1.0, 1.0]), 0.2).backward()
    assert ratio.grad.tolist() == pytest.approx([0.0, 0.0, -1 / 3])


def test_value_loss_is_averaged_over_samples_and_summed_over_heads():
    values, returns = torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 2.0], [0.0, 4.0]])
    assert value_loss(values, returns, torch.zeros(2, 2)).item() == pytest.approx((1 + 9) / 2 + (4 + 16) / 2)


def test_value_loss_takes_the_worse_of_the_clipped_and_the_plain_error():
    old, returns = torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [-1.0]])
    values = torch.tensor([[0.9], [0.9]])
    # Held at 0.2: errors 0.8 and 1.2; plain: 0.1 and 1.9.
    assert value_loss(values, returns, old, 0.2).item() == pytest.approx((0.64 + 3.61) / 2)


def test_approximate_kl():
    assert approximate_kl(torch.zeros(4)).item() == 0.0
    assert approximate_kl(torch.tensor([math.log(2.0), math.log(0.5)])).item() == pytest.approx(
        ((2 - 1 - math.log(2)) + (0.5 - 1 + math.log(2))) / 2
    )
