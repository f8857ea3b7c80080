"""Distinct observations against numpy's own."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.maths.distinct import distinct_of, pick, spread
from rewardlab.types import Rollout, TensorObs


def shown(rng: np.random.Generator, kinds: int, *shape: int) -> TensorObs:
    """Random looks, few enough to recur; two states may differ in one entry alone."""
    image = torch.from_numpy(rng.integers(0, kinds, size=(*shape, 2, 2, 1)).astype(np.uint8))
    return {"image": image, "vector": torch.from_numpy(rng.integers(0, 2, size=(*shape, 1)).astype(np.float32))}


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 3), st.booleans(), st.integers(0, 2**31))
def test_frames_of_a_rollout(steps: int, num_envs: int, kinds: int, follow: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    obs, last_obs = shown(rng, kinds, steps, num_envs), shown(rng, kinds, num_envs)
    next_obs = shown(rng, kinds, steps, num_envs)
    if follow:  # as where no episode ends
        next_obs = {name: torch.cat([entry[1:], last_obs[name][None]]) for name, entry in obs.items()}
    flags, zeros = torch.zeros(steps, num_envs, dtype=torch.bool), torch.zeros(steps, num_envs)
    rollout = Rollout(
        obs, next_obs, zeros.long(), zeros, flags, flags, flags, flags, last_obs, flags[0], agent_state0=None
    )
    frames = distinct_of(rollout)
    for name in obs:
        acted_on = torch.cat([obs[name], last_obs[name][None]])
        assert torch.equal(spread(frames.rows[name], frames.here), acted_on)
        assert torch.equal(spread(frames.rows[name], frames.there), next_obs[name])
    every = torch.cat([torch.cat([torch.cat([obs[n].flatten(2), last_obs[n][None].flatten(2)]), next_obs[n].flatten(2)])
                       .flatten(0, 1).float() for n in obs], dim=1)  # fmt: skip
    assert len(frames.rows["image"]) == len(every.unique(dim=0))
    assert distinct_of(rollout) is frames


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=40))
def test_picked_numbers(numbers: list[int]) -> None:
    picked = pick(torch.tensor(numbers, dtype=torch.int64), 10)
    assert picked.rows[picked.place].tolist() == numbers
    assert sorted(picked.rows.tolist()) == sorted(set(numbers))
    assert picked.times.tolist() == [numbers.count(number) for number in picked.rows.tolist()]
