"""Normalisation by the std of the discounted return so far, recomputed over the whole history."""

import numpy as np
import torch

from rewardlab.parts.moments.return_filter import ReturnFilter


def test_rewards_are_divided_by_the_std_of_their_discounted_sums_so_far() -> None:
    rng = np.random.default_rng(0)
    rollouts = [rng.random((steps, 3)).astype(np.float32) for steps in (6, 4, 1)]
    filter_, value, sums = ReturnFilter(3, gamma=0.8), np.zeros(3), []
    for rewards in rollouts:
        for reward in rewards:
            value = 0.8 * value + reward
            sums.append(value)
        expected = rewards / np.std(sums)  # not centred, and this rollout's sums are in it
        np.testing.assert_allclose(filter_.normalise(torch.from_numpy(rewards)).numpy(), expected, rtol=1e-5)


def test_sums_stay_on_the_cpu() -> None:
    """Not every device computes in float64; `meta` stands for any that is not the CPU."""
    state = ReturnFilter(3, 0.9, device="meta").state_dict()
    assert state["carry"].device.type == state["moments"]["mean"].device.type == "cpu"
    assert state["carry"].dtype == torch.float64


def test_state_round_trips() -> None:
    first, second, third = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0))
    filter_, other = ReturnFilter(2, 0.9), ReturnFilter(2, 0.9)
    filter_.normalise(first)
    other.load_state_dict(filter_.state_dict())
    for rewards in (second, third):
        assert torch.equal(filter_.normalise(rewards), other.normalise(rewards))
