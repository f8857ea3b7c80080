"""Compiled kernels are kept, found by a second process, and announced only when they are made."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from rewardlab import kernel_cache

ROOT = Path(__file__).parents[1]
SCRIPT = """
from rewardlab.gridworld import make_vec
envs = make_vec("MiniGrid-Empty-5x5-v0", 2)
envs.reset(seed=0)
print(envs.step([2, 2])[1].tolist())
"""


def _start(folder: Path, source: Path | None = None) -> subprocess.CompletedProcess:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "NUMBA_DEBUG_CACHE": "1"}  # numba tells what it does
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    return subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)


def test_the_second_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    first, second = _start(tmp_path), _start(tmp_path)
    assert "compiling" in first.stderr and str(tmp_path) in first.stderr
    assert "compiling" not in second.stderr
    _second_loads_all(first.stdout, second.stdout)


def test_a_copy_of_the_sources_elsewhere_uses_the_same_kernels(tmp_path: Path) -> None:
    first = _start(tmp_path / "kernels")
    shutil.copytree(ROOT / "rewardlab", tmp_path / "copy" / "rewardlab")
    elsewhere = _start(tmp_path / "kernels", tmp_path / "copy")
    assert "compiling" in first.stderr and "compiling" not in elsewhere.stderr
    _second_loads_all(first.stdout, elsewhere.stdout)


def _second_loads_all(first: str, second: str) -> None:
    """By what numba itself says of its cache, and with the same result."""
    assert "data saved to" in first
    assert "data saved to" not in second
    assert second.count("data loaded from") == first.count("data saved to")
    assert first.splitlines()[-1] == second.splitlines()[-1]


def test_importing_the_package_loads_neither_numba_nor_minigrid() -> None:
    script = "import sys, rewardlab.gridworld as g; g.covers('x'); print({'numba', 'minigrid'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_the_folders_name_covers_every_module_with_kernels() -> None:
    """Else a change of a kernel, or of what it calls, would go on using what was compiled before it."""
    package = ROOT / "rewardlab"
    covered = {str(path.relative_to(package)) for path in kernel_cache.kernel_sources()}
    compiles = re.compile(r"@(numba\.)?njit|@kept| = kept\(|\bspecialise\(")
    users = {str(path.relative_to(package)) for path in package.rglob("*.py") if compiles.search(path.read_text())}
    assert users - {"kernel_cache.py"} <= covered
    assert {"maths/counting.py", "gridworld/constants.py"} <= covered  # of which kernels read only constants
    assert not {name for name in covered if name.startswith(("report/", "training/learning/", "records/"))}
