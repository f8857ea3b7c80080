"""Steps to success along random play, against the solver on each state by itself."""

from dataclasses import replace

import numpy as np
import pytest

from rewardlab.gridworld import make_vec
from rewardlab.gridworld.distances import Distances
from rewardlab.gridworld.solver import solve


@pytest.mark.parametrize(
    "env_id",
    [
        "MiniGrid-DoorKey-6x6-v0",
        "MiniGrid-MultiRoom-N4-S5-v0",
        "MiniGrid-UnlockPickup-v0",
        "MiniGrid-LavaGapS5-v0",
        "MiniGrid-GoToDoor-5x5-v0",
        "BabyAI-PutNextS4N1-v0",
    ],
)
def test_they_are_the_solvers_in_every_state(env_id: str) -> None:
    envs = make_vec(env_id, 8)
    envs.reset(seed=5)
    distances, rng = Distances(envs.task), np.random.default_rng(1)
    asked = 0
    for step in range(120):
        envs.step(rng.integers(0, envs.num_actions, 8))  # levels end and begin anew on the way
        found = distances.measure(envs.world)
        if step % 20 == 0:
            states = envs.get_state()
            for i in range(8):
                steps = solve(env_id, states, i).steps
                assert found[i] == (envs.task.max_steps if steps is None else min(steps, envs.task.max_steps))
                asked += 1
    assert asked == 48


def test_they_fall_by_one_along_the_solvers_way() -> None:
    env_id = "MiniGrid-DoorKey-8x8-v0"
    envs = make_vec(env_id, 1, autoreset=False)
    envs.reset(seed=2)
    distances = Distances(envs.task)
    way = solve(env_id, envs.get_state(), 0).actions
    for done, action in enumerate(way):
        assert distances.measure(envs.world)[0] == len(way) - done
        envs.step(np.array([action]))


def test_what_it_remembers_is_forgotten_when_full(monkeypatch: pytest.MonkeyPatch) -> None:
    from rewardlab.gridworld import distances as module

    monkeypatch.setattr(module, "_MEMO", 1 << 9)
    envs = make_vec("MiniGrid-DoorKey-5x5-v0", 4)
    envs.reset(seed=0)
    small, rng = Distances(envs.task), np.random.default_rng(0)
    monkeypatch.undo()
    large = Distances(envs.task)
    for _ in range(150):
        envs.step(rng.integers(0, envs.num_actions, 4))
        assert (small.measure(envs.world) == large.measure(envs.world)).all()


def test_a_success_that_was_met_as_a_state_is_still_the_end_of_a_way() -> None:
    """What follows success is measured like any state; ways that end there are no longer for it."""
    envs = make_vec("MiniGrid-Empty-5x5-v0", 1, autoreset=False)
    envs.reset(seed=0)
    distances, worlds = Distances(envs.task), []
    for action in (2, 2, 1, 2, 2):
        worlds.append(envs.world.cells.copy()), worlds.append(envs.world.facts.copy())
        envs.step(np.array([action]))
    assert distances.measure(envs.world)[0] == 5  # off the goal and back
    for left, (cells, facts) in enumerate(zip(worlds[-2::-2], worlds[::-2], strict=True), start=1):
        assert distances.measure(replace(envs.world, cells=cells, facts=facts))[0] == left
