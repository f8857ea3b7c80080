"""An environment whose episodes need not end: every command ends all the same, and says what it cut."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.training.build import build
from rewardlab.training.evaluate import Evaluator
from rewardlab.types import ActOutput

TINY = ["env=gym", "num_envs=2", "frames=64", "eval.episodes=3", "agent.rollout_steps=16"]


class Treadmill(gymnasium.Env):
    """Pays 1 a step; action 1 ends an episode, where that is allowed."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, ending: bool, render_mode: str | None = None) -> None:
        self.ending, self.render_mode = ending, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 1.0, bool(self.ending and action == 1), False, {}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    place = f"{__name__}:Treadmill"  # a dataset has no room for the class itself
    gymnasium.register("Treadmill-v0", place, kwargs={"ending": False})
    gymnasium.register("Stoppable-v0", place, kwargs={"ending": True})
    gymnasium.register("Timed-v0", place, kwargs={"ending": False}, max_episode_steps=20)
    yield
    for name in ("Treadmill-v0", "Stoppable-v0", "Timed-v0"):
        del gymnasium.registry[name]


def evaluations(folder: Path) -> list[dict[str, str]]:
    (path,) = folder.rglob("eval.csv")
    return list(csv.DictReader(path.open()))


def test_a_run_without_an_end_is_cut_says_so_once_and_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rewardlab.training.environments.WITHOUT_LIMIT", 50)
    assert main(["run", *TINY, "env.id=Treadmill-v0", "eval.every=32", f"results_dir={tmp_path}"]) == 0
    said = capsys.readouterr().err
    assert said.count("did not end within 50 steps") == 1 and "eval.max_steps=N" in said
    (log,) = tmp_path.rglob("run.log")
    assert log.read_text().count("3 of 3 episodes did not end within 50 steps") == 1
    rows = evaluations(tmp_path)
    assert {(row["episodes"], row["return_mean"], row["length_mean"]) for row in rows} == {("3", "50.0", "50.0")}


def test_the_option_cuts_earlier_and_makes_another_setting(tmp_path: Path) -> None:
    plain = compose([*TINY, "env.id=Timed-v0", f"results_dir={tmp_path}"])
    cut = compose([*TINY, "env.id=Timed-v0", "eval.max_steps=7", f"results_dir={tmp_path}"])
    assert plain.setting_id != cut.setting_id
    assert main(["run", *cut.overrides]) == 0
    assert {row["length_mean"] for row in evaluations(tmp_path)} == {"7.0"}
    manifest = json.loads(next(tmp_path.rglob("manifest.json")).read_text())
    assert manifest["config"]["eval.max_steps"] == 7


class Script:
    """Ends an episode at once in the environments named, never in the others."""

    def __init__(self, ends: Callable[[int], bool]) -> None:
        self.ends = ends

    def initial_state(self, num_envs):
        return None

    def act(self, obs, state, first, mode, rng):
        return ActOutput(torch.tensor([int(self.ends(i)) for i in range(len(first))]), None)


def test_levels_after_a_cut_episode_are_played_too() -> None:
    config = compose([*TINY, "env.id=Stoppable-v0", "eval.episodes=205", "eval.max_steps=9"]).config
    evaluator = Evaluator(config, build(config).env.spec)
    found = evaluator.evaluate(Script(lambda i: i != 0), 0, lambda: False)
    assert found is not None
    # Environment 0 has three levels: one is cut, and what is left of it goes to the first environment of the next turn.
    assert (len(found.returns), found.cut, sorted(found.lengths.tolist())[-3:]) == (205, 3, [9, 9, 9])
    assert sorted(found.returns.tolist()) == sorted(found.lengths.tolist())


def test_the_tasks_own_limit_is_left_alone() -> None:
    config = compose([*TINY, "env.id=Timed-v0"]).config
    found = Evaluator(config, build(config).env.spec).evaluate(Script(lambda i: False), 0, lambda: False)
    assert found is not None and (found.cut, found.lengths.tolist()) == (0, [20, 20, 20])


@pytest.mark.parametrize("reward", ["rapid", "sil"])
def test_what_learns_from_whole_episodes_refuses_a_task_without_limit(
    reward: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["reward.score=spread"] if reward == "rapid" else []
    line = [*TINY, f"reward={reward}", *options, f"results_dir={tmp_path}"]
    assert main(["run", *line, "env.id=Treadmill-v0"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no limit of steps; register it with max_episode_steps" in said
    assert main(["run", *line, "env.id=Timed-v0"]) == 0


def test_demonstrations_are_cut_and_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("minari")
    assert main(["run", *TINY, "env.id=Treadmill-v0", "eval.max_steps=30", f"results_dir={tmp_path}"]) == 0
    (run,) = (path.parent for path in tmp_path.rglob("config.yaml"))
    capsys.readouterr()
    line = ["demos", "--from", str(run), "--out", str(tmp_path / "set"), "--episodes", "2", "--keep", "all"]
    assert main(line) == 0
    answer = capsys.readouterr()
    assert "2 episodes did not end within 30 steps" in answer.err
    assert "2 episodes on 2 levels, 60 steps" in answer.out
