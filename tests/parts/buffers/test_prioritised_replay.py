"""Prioritised replay: how often steps are drawn, how they are weighed, what is overwritten."""

import numpy as np
import pytest
import torch

from rewardlab.parts.buffers.prioritised_replay import PrioritisedReplay
from rewardlab.types import Transitions


def steps(*numbers: int) -> Transitions:
    values = torch.tensor(numbers)
    return Transitions({"vector": values[:, None].float()}, values, {"return": values.float() / 10})


def test_draws_follow_priorities_and_weights_undo_them() -> None:
    replay = PrioritisedReplay(10, alpha=0.6, beta=0.4)
    replay.add(steps(0, 1, 2))
    replay.set_priorities(np.array([0, 1, 2]), np.array([0.5, 0.1, 0.0]))
    scaled = np.array([0.5, 0.1, 1e-6]) ** 0.6
    chance = scaled / scaled.sum()
    batch, places = replay.sample(20_000, np.random.default_rng(0))
    for place in range(3):
        assert (places == place).mean() == pytest.approx(chance[place], abs=0.01)
    weights = (3 * chance) ** -0.4
    expected = weights / weights.max()
    assert torch.allclose(batch.extra["weight"].double(), torch.from_numpy(expected[places]), atol=1e-6)
    assert torch.equal(batch.action, torch.from_numpy(places))
    assert torch.equal(batch.obs["vector"][:, 0], batch.action.float())
    assert torch.allclose(batch.extra["return"], batch.action / 10)


def test_new_steps_get_the_largest_priority_so_far() -> None:
    replay = PrioritisedReplay(10, alpha=1.0, beta=0.0)
    replay.add(steps(0))
    replay.set_priorities(np.array([0]), np.array([3.0]))
    replay.set_priorities(np.array([0]), np.array([1.0]))
    replay.add(steps(1))
    batch, _ = replay.sample(20_000, np.random.default_rng(0))
    assert float(batch.action.float().mean()) == pytest.approx(3.0 / 4.0, abs=0.01)
    assert torch.equal(batch.extra["weight"], torch.ones(20_000))


def test_the_oldest_are_overwritten() -> None:
    replay = PrioritisedReplay(4, alpha=0.0, beta=0.0)
    replay.add(steps(0, 1, 2))
    replay.add(steps(3, 4))
    assert len(replay) == 4
    assert set(replay.sample(500, np.random.default_rng(0))[0].action.tolist()) == {1, 2, 3, 4}
    replay.add(steps(*range(10, 17)))
    assert set(replay.sample(500, np.random.default_rng(0))[0].action.tolist()) == {13, 14, 15, 16}


@pytest.mark.parametrize("before", [0, 3, 6])
def test_its_state_goes_on_where_it_was(before: int) -> None:
    replay, other = PrioritisedReplay(4, 0.6, 0.1), PrioritisedReplay(4, 0.6, 0.1)
    other.add(steps(7))
    if before:
        replay.add(steps(*range(before)))
    other.load_state_dict(replay.state_dict())
    for one in (replay, other):
        one.add(steps(20, 21))
        one.set_priorities(np.array([0]), np.array([0.3]))
    left, right = (one.sample(50, np.random.default_rng(1)) for one in (replay, other))
    assert torch.equal(left[0].action, right[0].action)
    assert torch.equal(left[0].extra["weight"], right[0].extra["weight"])
