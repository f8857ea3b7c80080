"""The moving copy of a network."""

import pytest
import torch
from torch import nn

from rewardlab.parts.models.ema_target import EmaTarget


def test_it_is_the_moving_average_of_the_parameters() -> None:
    network = nn.Linear(2, 1)
    target = EmaTarget(network, 0.9)
    expected = network.weight.detach().clone()
    for step in range(3):
        with torch.no_grad():
            network.weight.fill_(float(step))
        target.follow(network)
        expected = 0.9 * expected + 0.1 * step
    torch.testing.assert_close(target.average.weight, expected)
    assert not any(parameter.requires_grad for parameter in target.parameters())
    assert network.weight.requires_grad


@pytest.mark.parametrize(("decay", "moved"), [(1.0, 0.0), (0.0, 5.0)])
def test_it_may_stand_still_or_follow_at_once(decay: float, moved: float) -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    target = EmaTarget(network, decay)
    nn.init.constant_(network.weight, 5.0)
    target.follow(network)
    assert float(target.average.weight.detach()) == moved
