"""MUJOCO_GL names a library of the system: where that is missing, a line says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gymnasium_robotics")


@pytest.mark.parametrize("choice", [["env=pointmaze_umaze"], ["env=gym", "env.id=InvertedPendulum-v5"]])
def test_a_renderer_without_its_library_is_one_line(choice: list[str], tmp_path: Path) -> None:
    """A module in the place of OpenGL's fails as its own does where the library is missing."""
    planted = tmp_path / "planted" / "OpenGL"
    planted.mkdir(parents=True)
    (planted / "__init__.py").write_text("None.glGetError\n")
    path = os.pathsep.join([str(planted.parent), *filter(None, sys.path)])
    told = subprocess.run(
        [sys.executable, "-m", "rewardlab", "run", *choice, "frames=64", f"results_dir={tmp_path / 'results'}"],
        env={**os.environ, "PYTHONPATH": path, "MUJOCO_GL": "osmesa"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 2, told.stderr
    (line,) = told.stderr.strip().splitlines()
    assert (
        "'NoneType' object has no attribute 'glGetError'" in line and "MUJOCO_GL=osmesa: is its library here?" in line
    )
    assert not (tmp_path / "results").exists()
