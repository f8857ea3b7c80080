"""Floors against Farama's own environments; the kept table against fresh measurements."""

import numpy as np
import pytest

from rewardlab.gridworld import env_ids, make_vec
from rewardlab.gridworld.reference import make_reference
from rewardlab.gridworld.solver import solve
from rewardlab.gridworld.task_facts import TABLE, measure, random_floor, task_facts


@pytest.mark.parametrize("env_id", ["MiniGrid-Empty-5x5-v0", "MiniGrid-PutNear-6x6-N2-v0", "MiniGrid-MemoryS7-v0"])
def test_random_floors_agree_with_faramas(env_id: str) -> None:
    env, rng = make_reference(env_id), np.random.default_rng(0)
    theirs = []
    env.reset(seed=0)
    while len(theirs) < 150:
        _, reward, terminated, truncated, _ = env.step(int(rng.integers(env.action_space.n)))
        if terminated or truncated:
            theirs.append(float(reward))
            env.reset()
    mine, successes = random_floor(env_id, 2000)
    spread = np.sqrt(np.var(mine) / len(mine) + np.var(theirs) / len(theirs))
    assert abs(np.mean(theirs) - mine.mean()) < 4 * spread
    assert len(mine) == len(successes) == 2000 and np.array_equal(mine > 0, successes)


def test_the_table_holds_every_id_and_makes_sense() -> None:
    assert TABLE.exists()
    for env_id in env_ids():
        facts = task_facts(env_id)
        assert facts.optimum_kind in ("exact", "bound", "unavailable")
        assert (facts.optimal_return is None) == (facts.optimum_kind == "unavailable")
        assert 0 <= facts.random_success <= 1
        if facts.optimal_return is not None:
            assert facts.random_return <= facts.optimal_return <= 1
    assert task_facts("MiniGrid-Empty-8x8-v0").optimal_steps == 11
    assert task_facts("MiniGrid-Dynamic-Obstacles-8x8-v0").optimum_kind == "unavailable"
    assert task_facts("MiniGrid-MemoryS13-v0").optimum_kind == "bound"


def test_measuring_again_gives_the_same() -> None:
    first, second = (measure("MiniGrid-DoorKey-5x5-v0", levels=5, episodes=100) for _ in range(2))
    assert first == second and first.optimum_kind == "exact" and first.success == "the goal is reached"


def test_other_time_changes_the_scale_and_nothing_else() -> None:
    own, longer, shorter = (task_facts(f"MiniGrid-DoorKey-5x5-v0{limit}") for limit in ("", "-T1000", "-T11"))
    assert own.optimal_steps is not None and own.unsolvable == 0
    assert longer.optimal_return == pytest.approx(1 - 0.9 * own.optimal_steps / 1000)
    envs = make_vec("MiniGrid-DoorKey-5x5-v0", 40)
    envs.reset(seed=7_000_000)  # the table's levels
    states = envs.get_state()
    steps = np.array([solve("MiniGrid-DoorKey-5x5-v0", states, i).steps for i in range(40)])
    assert 0 < (steps > 11).sum() < 40
    assert shorter.optimal_return == pytest.approx(np.where(steps <= 11, 1 - 0.9 * steps / 11, 0).mean())
    assert shorter.random_success < own.random_success < longer.random_success
    assert own.counts == longer.counts == shorter.counts
    assert task_facts("MiniGrid-DoorKey-5x5-v0-T250").optimal_return == own.optimal_return
    assert task_facts("MiniGrid-Dynamic-Obstacles-8x8-v0-T9").optimum_kind == "unavailable"
