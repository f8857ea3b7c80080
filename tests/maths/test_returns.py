"""Observed returns against a backward loop."""

import numpy as np
import pytest
import torch

from rewardlab.maths.returns import discounted_returns


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 129, 640])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.99, 1.0])
def test_each_step_has_the_discounted_sum_of_what_follows(length, gamma):
    reward = np.random.default_rng(length).normal(size=length)
    expected, later = np.zeros(length), 0.0
    for step in range(length - 1, -1, -1):
        later = expected[step] = reward[step] + gamma * later
    given = torch.from_numpy(reward)
    np.testing.assert_allclose(discounted_returns(given, gamma).numpy(), expected, atol=1e-9)
    assert torch.equal(given, torch.from_numpy(reward))
