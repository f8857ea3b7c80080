"""What pages, messages and the Makefile say of installing is what works, and what they name is explained."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = [
    path
    for folder in ("rewardlab", "hydra_plugins", "conf", "docs", "scripts")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".md", ".yaml")
]
TEXTS = [*CODE, *ROOT.glob("*.md")]
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]) - {"dev"}


def test_extras_are_quoted_and_exist() -> None:
    """zsh takes brackets without quotes for a pattern, and finds no file."""
    named = set()
    for path in TEXTS:
        for line in re.findall(r"pip install [^\n`]*\[.*", path.read_text(encoding="utf-8")):
            assert not re.search(r"pip install[^'\"]*\[", line), f"{path}: {line}"
            named |= set(re.findall(r"'(?:rewardlab|\.)\[(\w+)\]'", line))
    assert named == EXTRAS
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"'.[{extra}]'" in readme for extra in EXTRAS)


def test_every_variable_of_ours_is_explained() -> None:
    read = {name for path in CODE if path.suffix == ".py" for name in re.findall(r"REWARDLAB_[A-Z]+", path.read_text())}
    page = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    assert {"REWARDLAB_PATH", "REWARDLAB_DEBUG"} <= read
    assert [name for name in read if f"| `{name}=" not in page] == []


def test_the_cpu_build_of_torch_comes_first() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    pip install (.*)$", readme, re.M)
    assert commands[0].startswith("torch --index-url https://download.pytorch.org/whl/cpu")
    assert commands[1].startswith(". ")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the plain torch is the CPU build elsewhere")
@pytest.mark.parametrize(("given", "there"), [((), True), (("TORCH_INDEX=",), False)])
def test_make_installs_it_first_too(given: tuple[str, ...], there: bool) -> None:
    asked = ["make", "--dry-run", "--always-make", ".venv/.installed", *given]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first, second, *_ = [line for line in said.splitlines() if "pip install" in line]
    assert ("--extra-index-url https://download.pytorch.org/whl/cpu" in first) is there
    assert "torch==" in first and "requirements.lock" in second
