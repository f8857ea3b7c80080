"""What no learner can read ends a run with its own line, not as a diverged loss."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.errors import UserError
from rewardlab.run import run
from rewardlab.training.recorder import Recording


class Broken(gymnasium.Env[Any, Any]):
    """Shows `value` in its third number from some step of all on; 0 is the first reset."""

    left = 0
    value = np.nan

    def __init__(self) -> None:
        self.observation_space = Dict(a=Box(-np.inf, np.inf, (2,)), b=Box(-np.inf, np.inf, (2,)))
        self.action_space = Discrete(2)
        self._steps = 0

    def _shown(self) -> dict[str, Any]:
        Broken.left -= 1
        value = Broken.value if Broken.left < 0 else 0.0
        return {"a": np.zeros(2, np.float32), "b": np.array([value, 0.0], np.float32)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        return self._shown(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        return self._shown(), 0.0, self._steps == 10, False, {}


@pytest.fixture(autouse=True)
def _broken() -> Iterator[None]:
    gymnasium.register(id="Broken-v0", entry_point=Broken)
    Broken.value = np.nan
    yield
    del gymnasium.registry["Broken-v0"]


def started(folder: Path, agent: str = "ppo") -> tuple[int, dict[str, Any], Path]:
    few = ["num_envs=2", "frames=256", "agent.rollout_steps=16", "eval.episodes=2", f"results_dir={folder}"]
    prepared = compose(["env=gym", "env.id=Broken-v0", f"agent={agent}", *few])
    code = run(prepared)
    return code, json.loads((prepared.folder / "status.json").read_text()), prepared.folder


@pytest.mark.parametrize("agent", ["ppo", "dqn"])
@pytest.mark.parametrize(("left", "when"), [(0, "after a reset"), (10, "after a step"), (60, "after a ")])
def test_nan_is_named(left: int, when: str, agent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Broken.left = left
    code, status, _ = started(tmp_path, agent)
    assert code == 1 and status["state"] == "failed"
    assert f"Broken-v0 shows nan in vector[2] {when}" in status["error"]
    assert status["error"].endswith(": an observation must be finite numbers")
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "vector[2]" in told and "diverged" not in told and "loss" not in told


def test_infinity_is_named(tmp_path: Path) -> None:
    Broken.left, Broken.value = 10, -np.inf
    assert "Broken-v0 shows -inf in vector[2]" in started(tmp_path)[1]["error"]


def test_it_is_not_recorded(tmp_path: Path) -> None:
    Broken.left = 10**9
    _, _, folder = started(tmp_path)
    Broken.left = 5
    with pytest.raises(UserError, match=r"shows nan in vector\[2\] after a step"):
        record([], str(tmp_path / "demos"), Recording(str(folder), episodes=2, keep="all"))
    assert not (tmp_path / "demos").exists()
