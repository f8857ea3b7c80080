"""The uniform buffer: what is drawn, what is overwritten, what is saved."""

import numpy as np
import pytest
import torch

from rewardlab.parts.buffers.replay import Replay
from rewardlab.types import Transitions


def steps(*numbers: int) -> Transitions:
    values = torch.tensor(numbers)
    obs = {"image": values.view(-1, 1, 1, 1).expand(-1, 2, 2, 1).to(torch.uint8)}
    return Transitions(obs, values, {"reward": values / 10}, {"image": obs["image"] + 1})


def test_each_step_is_drawn_alike_and_stays_together() -> None:
    replay = Replay(10)
    assert replay.add(steps(*range(5))).tolist() == [0, 1, 2, 3, 4]
    batch, places = replay.sample(20_000, np.random.default_rng(0))
    assert np.bincount(places, minlength=5) / 20_000 == pytest.approx(np.full(5, 0.2), abs=0.01)
    assert torch.equal(batch.action, torch.from_numpy(places))
    assert torch.equal(batch.extra["reward"], batch.action / 10)
    assert torch.equal(batch.obs["image"][:, 1, 1, 0].long(), batch.action)
    assert torch.equal(batch.next_obs["image"][:, 1, 1, 0].long(), batch.action + 1)
    assert batch.obs["image"].dtype == torch.uint8


def test_the_latest_are_kept_whatever_the_pieces() -> None:
    rng = np.random.default_rng(0)
    replay, given = Replay(7), 0
    for _ in range(60):
        count = int(rng.integers(1, 17))
        replay.add(steps(*range(given, given + count)))
        given += count
        kept = set(replay.at(np.arange(len(replay))).action.tolist())
        assert kept == set(range(max(0, given - 7), given))


@pytest.mark.parametrize("before", [0, 3, 9])
def test_its_state_goes_on_where_it_was(before: int) -> None:
    replay, other = Replay(5), Replay(5)
    other.add(steps(50))
    if before:
        replay.add(steps(*range(before)))
    state = replay.state_dict()
    assert all(len(column) == min(before, 5) for column in state["steps"].values())
    other.load_state_dict(state)
    for one in (replay, other):
        one.add(steps(20, 21))
    left, right = (one.sample(50, np.random.default_rng(1))[0] for one in (replay, other))
    assert torch.equal(left.action, right.action)
    assert torch.equal(left.next_obs["image"], right.next_obs["image"])
