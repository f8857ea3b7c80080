"""Every line of docs/tutorial.md is run, in the order of the page, in a temporary folder.

The blocks are run as they stand. Two things are arranged around them. `pip install .` fetches nothing: what rewardlab
depends on is imported from the environment that runs the tests. And the checkout is a copy: nothing is written to it.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
INSTALLED_FROM = ("rewardlab", "hydra_plugins", "conf", "pyproject.toml", "README.md", "LICENSE")
FENCE = re.compile(r"^```(?P<kind>\S*) *(?P<file>\S*)\n(?P<content>.*?)^```$", re.S | re.M)


def script() -> str:
    """The page's blocks as one script of bash: those of shell as they are, files of Python written in their turn."""
    parts = []
    for block in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
        kind, file, content = block["kind"], block["file"], block["content"]
        if kind == "sh":
            parts.append(content)
        else:
            assert kind == "python" and file, f"a block that no line of this test runs: {block[0]}"
            parts.append(f"cat > {file} <<'END_OF_FILE'\n{content}END_OF_FILE\n")
    return "".join(parts)


def run_the_page(root: Path) -> None:
    """Copy the checkout to an empty folder, and run all of the page there."""
    for name in INSTALLED_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, root / name)
    site = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    kept = {name: value for name, value in os.environ.items() if name not in ("REWARDLAB_PATH", "VIRTUAL_ENV")}
    environment = kept | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": os.pathsep.join(site),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as its flag --no-build-isolation: hatchling is installed
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
    }
    command = ["bash", "-euxo", "pipefail", "-c", script()]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_no_command_stands_outside_a_block() -> None:
    rest = FENCE.sub("", PAGE.read_text(encoding="utf-8"))
    assert not re.findall(r"^(?: {4}|\t).*", rest, re.M), "indented code, which this test would not run"
    assert "```" not in rest


def test_every_block_runs_and_the_page_tells_what_comes_of_it(tmp_path: Path) -> None:
    run_the_page(tmp_path)
    for name in ("figure.pdf", "figure.png", "results/report/report.html"):
        assert (tmp_path / name).stat().st_size > 0
    none, noveld = (final_success(tmp_path, scheme) for scheme in ("none", "noveld"))
    assert len(none) == len(noveld) == 3
    assert max(none) == 0, "without a bonus PPO never reaches the goal here"
    assert min(noveld) > 0.8, "with NovelD all three seeds succeed in nearly every episode at the end"


def final_success(root: Path, scheme: str) -> list[float]:
    """The success rate of the last evaluation, of each seed."""
    tables = root.glob(f"results/runs/multiroom_n7_s4/{scheme}/ppo/seed*/eval.csv")
    return [float(list(csv.DictReader(table.open()))[-1]["success_rate"]) for table in tables]
