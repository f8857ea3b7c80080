"""The examples of CONTRIBUTING.md are copied out of the page and run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
TINY = ["num_envs=4", "frames=512", "agent.rollout_steps=64", "eval.every=512", "eval.episodes=4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, as its reader would write them."""
    root = tmp_path_factory.mktemp("own")
    for name, content in re.findall(r"^```(?:python|yaml) (\S+)\n(.*?)^```", PAGE.read_text(), re.S | re.M):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return root


def rewardlab(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"REWARDLAB_PATH": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rewardlab", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=folder)


def test_the_page_has_three_examples(folder: Path) -> None:
    written = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    assert written == {
        f"{kind}.{suffix}"
        for kind in ("rewards/things_in_view", "envs/corridor", "agents/stubborn")
        for suffix in ("py", "yaml")
    }


@pytest.mark.parametrize("choice", ["reward=things_in_view", "agent=stubborn"])
def test_they_obey_the_contracts(folder: Path, choice: str) -> None:
    result = rewardlab(folder, "check", choice)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "choices",
    [["env=doorkey_5x5", "reward=things_in_view"], ["env=corridor", "agent=stubborn"]],
    ids=["reward", "env and agent"],
)
def test_they_run(folder: Path, tmp_path: Path, choices: list[str]) -> None:
    result = rewardlab(folder, "run", *choices, *TINY, f"results_dir={tmp_path}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(list(tmp_path.glob("runs/*/*/*/*/summary.json"))) == 1


def test_they_are_listed(folder: Path) -> None:
    result = rewardlab(folder, "list")
    for line in ("things_in_view", "corridor", "stubborn", "Pays for every door, key, ball, box or goal in view"):
        assert line in result.stdout
