"""Runs on pictures by the command line alone: raw frames, an agent of each kind, schemes of each kind."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

FILM = """\
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete


class Film(gymnasium.Env):
    def __init__(self, shape=(210, 160, 3)):
        self.observation_space, self.action_space = Box(0, 255, shape, np.uint8), Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._frame(), {}

    def step(self, action):
        return self._frame(), float(action == 1), False, False, {}

    def _frame(self):
        return self.np_random.integers(256, size=self.observation_space.shape, dtype=np.uint8)


gymnasium.register("Atari-v0", entry_point=Film, max_episode_steps=9)
gymnasium.register("Small-v0", entry_point=Film, max_episode_steps=9, kwargs={"shape": (30, 30, 3)})
"""
TINY = ["num_envs=2", "frames=48", "eval.every=48", "eval.episodes=2", "agent.rollout_steps=8"]
MEGABYTE = 10**6


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "films.py").write_text(FILM)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "films", raising=False)


def one(folder: Path, name: str) -> Path:
    (found,) = folder.rglob(name)
    return found


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize(
    ("options", "policy"),
    [
        (["reward=rnd", "reward.warmup=2"], 8 * MEGABYTE),
        (["reward=icm", "env.grayscale=true", "env.frame_stack=4"], 8 * MEGABYTE),
        (["reward=count", "reward.key=simhash", "env.resize=40"], 1 * MEGABYTE),
        (["agent=dqn", "agent.learning_starts=16", "agent.batch_size=16"], 8 * MEGABYTE),
        (["agent=random", "reward=none"], 0.1 * MEGABYTE),
    ],
    ids=["rnd", "icm", "count", "dqn", "random"],
)
def test_raw_frames_are_trained_on(options: list[str], policy: float, rewardlab: Callable, tmp_path: Path) -> None:
    """A layer of 64 on plain frames of 210 x 160 x 3 would alone take 26 MB, and each of two networks has one."""
    answer = rewardlab("run", "env=gym", "env.id=films:Atari-v0", *TINY, *options)
    assert answer.code == 0, answer.err
    assert one(tmp_path, "policy.pt").stat().st_size < policy
    config = yaml.safe_load(one(tmp_path, "config.yaml").read_text())
    assert config["env"]["resize"] == ("40" if "env.resize=40" in options else "84x84")
    assert config["agent"].get("network", "cnn") == "cnn"


@pytest.mark.usefixtures("film")
def test_small_pictures_are_read_by_impala_and_a_finished_run_is_found_by_its_own_config(
    rewardlab: Callable, tmp_path: Path
) -> None:
    line = ["run", "env=gym", "env.id=films:Small-v0", *TINY]
    assert rewardlab(*line).code == 0
    config = one(tmp_path, "config.yaml")
    assert yaml.safe_load(config.read_text())["agent"]["network"] == "impala"
    again = rewardlab("run", "--config", str(config), "env.id=films:Small-v0")
    assert again.code == 0 and "finished" in again.out
    assert one(tmp_path, "config.yaml") == config


@pytest.mark.usefixtures("film")
def test_a_picture_is_flattened_only_when_that_is_asked_for_and_said(rewardlab: Callable, tmp_path: Path) -> None:
    answer = rewardlab("run", "env=gym", "env.id=films:Small-v0", *TINY, "agent.network=mlp")
    said = "agent.network=mlp flattens pictures of 30 x 30 x 3; impala reads them by convolutions"
    assert answer.code == 0 and said in answer.err and said in one(tmp_path, "run.log").read_text()
    assert "flattens" not in rewardlab("run", "env=gym", "env.id=CartPole-v1", *TINY).err


@pytest.mark.usefixtures("film")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["agent=dqn", "agent.buffer_size=100_000_000", "frames=1e9"], "agent.buffer_size=100000000: takes "),
        (["env.resize=20"], "env.resize=20: sides must be at least 28"),
        (["env.resize=84:84"], "env.resize=84:84: must be auto, null, a side such as 84, or height x width"),
        (["env.id=CartPole-v1", "env.grayscale=true"], "env.grayscale=true: env.id=CartPole-v1 shows no picture"),
        (["agent.network=impalla"], "agent.network=impalla: no such option; did you mean impala?"),
        (["agent.network=impala", "env.id=CartPole-v1"], "agent.network=impala: the environment shows no image"),
    ],
)
def test_what_does_not_fit_is_one_line(options: list[str], message: str, rewardlab: Callable, tmp_path: Path) -> None:
    answer = rewardlab("run", "env=gym", "env.id=films:Atari-v0", *TINY, *options)
    assert answer.code == 2 and message in answer.err and answer.err.count("\n") == 1
    assert not (tmp_path / "results").exists()
