"""The README stays short, and its examples run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
TINY = "frames=512 num_envs=4 agent.rollout_steps=64 eval.episodes=4"
CORRIDOR = """
import gymnasium
import numpy as np


class Corridor(gymnasium.Env):
    observation_space, action_space = gymnasium.spaces.Discrete(8), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return np.int64(self.place), {}

    def step(self, action):
        self.place = max(0, self.place + (1 if action == 1 else -1))
        return np.int64(self.place), float(self.place == 7), self.place == 7, False, {}


"""


def test_it_has_at_most_120_lines() -> None:
    assert len(PAGE.splitlines()) <= 120


def test_the_scheme_of_its_own_obeys_the_laws_and_trains(tmp_path: Path) -> None:
    for name, content in re.findall(r"^```(?:python|yaml) (\S+)\n(.*?)^```", PAGE, re.S | re.M):
        file = tmp_path / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    check, run = commands("REWARDLAB_PATH=mine ")
    call(tmp_path, check)
    call(tmp_path, f"{run} {TINY}")
    assert len(list(tmp_path.glob("results/runs/doorkey/things-coef=0.01/*/*/summary.json"))) == 1


def test_the_environment_of_its_own_is_learned(tmp_path: Path) -> None:
    (register,) = re.findall(r"`(gymnasium\.register\(.*?\))`", PAGE)
    (tmp_path / "corridor.py").write_text(CORRIDOR + register + "\n")
    (run,) = commands("PYTHONPATH=. ")
    call(tmp_path, run)
    assert len(list(tmp_path.glob("results/runs/corridor_Corridor-v0/none/ppo/*/summary.json"))) == 1


def test_results_load_as_tables(tmp_path: Path) -> None:
    call(tmp_path, f"rewardlab run env=empty_5x5 {TINY}")
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)
    script = f"{example}\nassert len(results.runs) == 1 and len(results.evaluations) and len(results.training)\n"
    (tmp_path / "loading.py").write_text(script)
    call(tmp_path, "python loading.py")


def commands(start: str) -> list[str]:
    """The command lines of the page that begin so."""
    found = [line.strip() for line in PAGE.splitlines() if line.startswith("    " + start)]
    if not found:
        pytest.fail(f"no command of the README begins with {start!r}")
    return found


def call(folder: Path, command: str) -> None:
    """Run a line of the page in a folder."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_demo_leaves_the_first_report_alone():
    """`rewardlab report` reads results/: what the demo makes lies elsewhere, and git passes over it."""
    recipe = (ROOT / "Makefile").read_text().split("\ndemo:")[1].split("\n\n")[0]
    assert "results_dir=demo " in recipe and "report demo" in recipe
    assert "results/" not in recipe
    assert "/demo/" in (ROOT / ".gitignore").read_text().splitlines()
