"""`rewardlab distance`: tables and figures of a small task, rewards of runs, refusals in one line."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rewardlab.config.composition import compose
from rewardlab.gridworld.level_table import table_of_level
from rewardlab.training.build import build
from rewardlab.training.step_rewards import small_task, step_reward


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_shaping_is_no_difference_and_costs_nothing(rewardlab: Callable, tmp_path: Path) -> None:
    """Weights of the shaping tell five rewards apart, which make ten pairs: enough for correlations."""
    asked = ("env=empty_5x5", "reward=none,pbrs", "reward.coef=0.01,0.1,1,10", "--canon", "none,val")
    answer = rewardlab("distance", *asked, "--out", "out")
    assert answer.code == 0, answer.err
    rows = read(tmp_path / "out" / "distance.csv")
    assert len(rows) == 20 and {row["first"] for row in rows} >= {"none", "pbrs"}
    for row in rows:
        apart = float(row["distance"])
        assert apart == pytest.approx(0, abs=1e-4) if row["canonicalisation"] == "val" else apart > 0.001
        assert float(row["regret_first"]) == pytest.approx(0, abs=1e-6) == float(row["regret_second"])
    assert {row["canonicalisation"]: row["pairs"] for row in read(tmp_path / "out" / "correlation.csv")} == {
        "none": "10", "val": "10",
    }  # fmt: skip
    assert all((tmp_path / "out" / f"distance.{form}").stat().st_size > 1000 for form in ("png", "svg", "pdf"))


def test_rewards_are_those_that_schemes_pay(rewardlab: Callable) -> None:
    """Of all triples: the task's at success alone, shaping by gamma Phi(s') - Phi(s), nothing from the end on."""
    config = compose(["env=empty_5x5", "reward=pbrs", "reward.coef=1"]).config
    task = small_task(config, 3, ("distance",))
    table, gamma = table_of_level("MiniGrid-Empty-5x5-v0", 3), config.agent.gamma
    going = len(table.following)
    plain = step_reward(compose(["env=empty_5x5"]).config, build(compose(["env=empty_5x5"]).config), task, False)
    np.testing.assert_array_equal(plain[:going], np.broadcast_to(task.solved * 1.0, plain[:going].shape))
    potential = np.where(task.ends, 0.0, -task.facts["distance"].astype(float))
    expected = plain[:going] + gamma * potential - potential[:going, None, None]
    shaped = step_reward(config, build(config), task, False)
    np.testing.assert_allclose(shaped[:going], expected, atol=1e-5)
    assert not shaped[going:].any() and (task.mdp.chance.sum(axis=2) == 1).all()


def test_tables_of_other_worlds_end_in_a_state_of_their_own() -> None:
    config = compose(["env=deepsea", "env.n=4", "reward=none"]).config
    task = small_task(config, 0, ())
    assert task.ends.sum() == 1 and (task.mdp.chance.sum(axis=2) == pytest.approx(1))
    right = step_reward(config, build(config), task, False)
    assert right.max() == pytest.approx(1 - 0.01 / 4) and not right[task.ends].any()


def test_rewards_of_runs_are_as_they_were_left(rewardlab: Callable, tmp_path: Path) -> None:
    short = ("frames=600", "num_envs=4", "eval.episodes=2", "results_dir=runs", "agent.rollout_steps=64")
    assert rewardlab("run", "env=empty_5x5", "reward=preference", *short).code == 0
    run = next((tmp_path / "runs").rglob("manifest.json")).parent
    answer = rewardlab("distance", "env=empty_5x5", "reward=none", "--run", str(run), "--canon", "val", "--out", "out")
    assert answer.code == 0, answer.err
    assert [row["second"] for row in read(tmp_path / "out" / "distance.csv")] == [f"preference of {run.name}"]
    answer = rewardlab("distance", "env=empty_6x6", "reward=none", "--run", str(run))
    assert answer.code == 2 and "another task" in answer.err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["env=empty_5x5", "reward=none,count"], "reward=count: what it pays depends on more"),
        (["env=empty_5x5", "reward=none,preference"], "reward=preference: is learned"),
        (["env=empty_5x5", "reward=none"], "needs two rewards"),
        (["reward=none,pbrs"], "name the task"),
        (["env=empty_5x5,empty_6x6", "reward=none,pbrs"], "one env"),
        (["env=empty_5x5", "reward=none,pbrs", "--canon", "vall"], "did you mean val?"),
        (["env=empty_5x5", "reward=none,pbrs", "agent.gamma=1"], "must be below 1"),
        (["env=doorkey_8x8", "reward=none,pbrs"], "more than 400 states"),
        (["env=gym", "env.id=CartPole-v1", "reward=none,pbrs", "reward.potential='vector[0]'"], "can't be listed"),
        (["env=empty_5x5", "reward=none,pbrs", "--run", "nowhere"], "nowhere: no such run"),
    ],
)
def test_what_cannot_be_compared_is_refused(rewardlab: Callable, asked: list[str], said: str, tmp_path: Path) -> None:
    answer = rewardlab("distance", *asked)
    assert answer.code == 2 and said in answer.err and answer.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
