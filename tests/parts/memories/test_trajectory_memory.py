"""DEIR's novelty against loops over whole episodes."""

import numpy as np
import pytest
import torch

from rewardlab.parts.memories.trajectory_memory import TrajectoryMemory

STEPS, ENVS, SIZE, WIDTH = 50, 3, 4, 3


def made_up(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.random((STEPS, ENVS)) < 0.1
    first[0] = True
    looks = rng.normal(size=(12, SIZE)).astype(np.float32)  # few, so that some come again
    reached, start = looks[rng.integers(12, size=(STEPS, ENVS))], looks[rng.integers(12, size=(STEPS, ENVS))]
    start[1:] = np.where(first[1:, :, None], start[1:], reached[:-1])
    trajectory = rng.normal(size=(STEPS, ENVS, WIDTH)).astype(np.float32)
    return {"start": start, "reached": reached, "trajectory": trajectory, "first": first}


def loops(start: np.ndarray, reached: np.ndarray, trajectory: np.ndarray, first: np.ndarray, plain: bool) -> np.ndarray:
    """Algorithm A1 as its authors' code has it: lists of observations, and of trajectories with a zero before them."""
    found = np.zeros(first.shape)
    for env in range(ENVS):
        for t in range(STEPS):
            if first[t, env]:
                seen, ways = [start[t, env]], [np.zeros(WIDTH)]
            ways.append(trajectory[t, env])
            ratios = []
            for observation, way in zip(seen, ways[:-1], strict=True):
                distance = np.sqrt(((reached[t, env] - observation) ** 2).sum())
                apart = np.sqrt(((trajectory[t, env] - way) ** 2).sum())
                ratios.append(distance if plain else distance**2 / (apart + 1e-6))
            found[t, env] = min(ratios)
            seen.append(reached[t, env])
    return found


def novelty(memory: TrajectoryMemory, world: dict[str, np.ndarray], cut: slice, plain: bool) -> np.ndarray:
    tensors = {name: torch.from_numpy(entry[cut]) for name, entry in world.items()}
    return memory.novelty(**tensors, plain=plain).numpy()


@pytest.mark.parametrize("plain", [False, True])
def test_novelty_is_what_loops_find_through_ends_and_rollouts(plain: bool) -> None:
    world = made_up()
    memory = TrajectoryMemory(ENVS, SIZE, WIDTH)
    found = [novelty(memory, world, cut, plain) for cut in (slice(0, 20), slice(20, 21), slice(21, None))]
    expected = loops(**world, plain=plain)
    assert (expected == 0).any() and (expected > 0).any()
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4, atol=1e-6)


def test_state_round_trips_in_the_middle_of_episodes() -> None:
    world = made_up(1)
    memory, other = TrajectoryMemory(ENVS, SIZE, WIDTH), TrajectoryMemory(ENVS, SIZE, WIDTH)
    novelty(memory, world, slice(0, 30), False)
    other.load_state_dict(memory.state_dict())
    rest = slice(30, None)
    np.testing.assert_array_equal(novelty(memory, world, rest, False), novelty(other, world, rest, False))
