"""What is installed works without the checkout: the wheel holds all that it needs, and so does `pip install -e`."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DISCOVERED = ("count", "icm", "mix", "none", "rnd")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is no checkout, to run from."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


def test_the_wheel_runs_without_the_checkout(tmp_path: Path, outside: Path) -> None:
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    call(ROOT, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels))
    (wheel,) = wheels.glob("rewardlab-*.whl")
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps", "--no-compile")
    call(outside, *pip, "--target", str(installed), str(wheel))

    # Without site (-S) no .pth file is read, not that of an editable install either: the checkout can't be found.
    path = (str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    where = call(outside, "-S", "-c", "import rewardlab; print(rewardlab.__file__)", path=path)
    assert Path(where.strip()).is_relative_to(installed)
    listed = call(outside, "-S", "-m", "rewardlab", "list", "reward", path=path)
    assert [name for name in DISCOVERED if name not in listed] == []
    # The fast engine would compile its kernels anew: their cache goes by where the sources are.
    tiny = ("env=empty_5x5", "env.backend=reference", "frames=128", "num_envs=4", "eval.episodes=2")
    call(outside, "-S", "-m", "rewardlab", "run", *tiny, path=path)
    assert len(list(outside.glob("results/runs/*/*/*/*/summary.json"))) == 1


def test_the_editable_install_works_from_anywhere(outside: Path) -> None:
    script = Path(sysconfig.get_path("scripts")) / "rewardlab"
    done = subprocess.run([script, "list", "reward"], cwd=outside, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [name for name in DISCOVERED if name not in done.stdout] == []


def call(folder: Path, *arguments: str, path: tuple[str, ...] = ()) -> str:
    """What Python prints, run with arguments in a folder."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(path), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(path: tuple[str, ...] = ()) -> dict[str, str]:
    """This one's, but with nothing but `path` to import from beside the installation."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "REWARDLAB_PATH")}
    return kept | ({"PYTHONPATH": os.pathsep.join(path)} if path else {})
