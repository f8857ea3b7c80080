"""The nearest in memory against lists that are cleared."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.parts.memories import episodic_memory
from rewardlab.parts.memories.episodic_memory import EpisodicMemory


def walk(rng: np.random.Generator, lengths: list[int], num_envs: int, end: float = 0.2) -> list[tuple[np.ndarray, ...]]:
    """Rollouts in a row: embeddings of starts and of states reached, some of them equal, and where episodes begin."""
    looks = rng.normal(size=(12, 6)).astype(np.float32)
    made, first = [], np.ones(num_envs, dtype=bool)
    for steps in lengths:
        done = rng.random((steps, num_envs)) < end
        start, reached = looks[rng.integers(12, size=(2, steps, num_envs))]
        made.append((start, reached, np.concatenate([first[None], done[:-1]])))
        first = done[-1]
    return made


def take(memory: EpisodicMemory, rollout: tuple[np.ndarray, ...], count: int) -> np.ndarray:
    start, reached, first = (torch.from_numpy(array) for array in rollout)
    embedded, place = torch.cat([start, reached]).flatten(0, 1).unique(dim=0, return_inverse=True)
    return memory.nearest(embedded, *place.view(2, *first.shape), first, count).numpy()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 3), st.integers(1, 5), st.integers(0, 2**31))
def test_each_state_meets_what_its_episode_met_before(lengths: list[int], num_envs: int, count: int, seed: int) -> None:
    memory = EpisodicMemory(num_envs, 6, max_steps=40)
    met: list[list[np.ndarray]] = [[] for _ in range(num_envs)]
    for rollout in walk(np.random.default_rng(seed), lengths, num_envs):
        start, reached, first = rollout
        found = take(memory, rollout, count)
        for t in range(len(start)):
            for env in range(num_envs):
                if first[t, env]:
                    met[env] = [start[t, env]]
                distances = sorted(float(((reached[t, env] - other) ** 2).sum()) for other in met[env])
                expected = (distances + [np.inf] * count)[:count]
                np.testing.assert_allclose(found[t, env], expected, rtol=1e-5)
                met[env].append(reached[t, env])


@pytest.mark.parametrize("max_steps", [4, None])
def test_room_is_bounded_and_the_oldest_go_first(max_steps: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodic_memory, "_MOST", 5)
    memory = EpisodicMemory(1, 6, max_steps)
    rollouts = walk(np.random.default_rng(0), [4, 4, 4], 1, end=0.0)
    met = [rollouts[0][0][0, 0]]
    for rollout in rollouts:
        found = take(memory, rollout, 1)
        for t, new in enumerate(rollout[1][:, 0]):
            expected = min(float(((new - other) ** 2).sum()) for other in met[-5:])
            assert found[t, 0, 0] == pytest.approx(expected, rel=1e-5)
            met.append(new)
    assert memory.state_dict()["entries"].shape == (1, 5, 6)


def test_state_round_trips_within_an_episode() -> None:
    first, second, third = walk(np.random.default_rng(1), [5, 4, 6], 2)
    memory, other = EpisodicMemory(2, 6, 100), EpisodicMemory(2, 6, 100)
    take(memory, first, 2)
    other.load_state_dict(memory.state_dict())
    for rollout in (second, third):
        np.testing.assert_array_equal(take(memory, rollout, 2), take(other, rollout, 2))
