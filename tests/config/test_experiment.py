"""Every recipe composes, says where it is from and how faithful it is, and builds."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rewardlab import discovery
from rewardlab.cli import main
from rewardlab.commands import list as listing
from rewardlab.config import composition
from rewardlab.config.composition import Prepared
from rewardlab.errors import UserError
from rewardlab.training.build import build

FOLDER = discovery.conf_dir() / discovery.RECIPES
RECIPES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
Compose = Callable[..., Prepared]


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    folder = tmp_path_factory.mktemp("results")
    with composition.session(), composition.many():
        yield lambda *overrides: composition.compose([*overrides, f"results_dir={folder}"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_composes_and_builds(recipe: str, compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "minihack" in recipe:
        pytest.importorskip("nle", reason="needs the extra minihack: make suites")
    monkeypatch.chdir(tmp_path)
    for first in re.findall(r"^# Record first: rewardlab (.*)$", (FOLDER / f"{recipe}.yaml").read_text(), re.M):
        assert main(shlex.split(first)) == 0
    config = compose(f"+experiment={recipe}").config
    assert config.fidelity in ("published", "adapted")
    parts = build(config)
    assert parts.scheme.streams[0].name == "task"
    parts.env.close()


@pytest.mark.parametrize("recipe", RECIPES)
def test_it_says_what_it_is_and_what_is_adapted(recipe: str) -> None:
    text = (FOLDER / f"{recipe}.yaml").read_text()
    assert text.startswith("# @package _global_\n# ")
    entry = next(entry for entry in listing.entries("experiment") if entry.name == recipe)
    assert entry.description and entry.paper
    assert (entry.fidelity == "adapted") == bool(re.search(r"^# Adapted: \w", text, re.M))
    assert recipe.split("_")[0] in text  # named after its scheme first


def test_values_given_beside_a_recipe_count(compose: Compose) -> None:
    recipe = "+experiment=count_torchbeast_multiroom_n7_s4"
    assert compose(recipe).config.reward.shared is False
    changed = compose(recipe, "reward.coef=0.1", "env=doorkey_5x5", "frames=5000").config
    assert (changed.reward.coef, changed.env.name, changed.frames) == (0.1, "doorkey_5x5", 5000)


def test_a_recipe_is_the_setting_that_its_values_make(compose: Compose) -> None:
    given = [
        "env=multiroom_n7_s4",
        "reward=count",
        "reward.coef=0.005",
        "reward.key=state",
        "reward.shared=false",
        "frames=20e6",
    ]
    agent = [
        "agent.entropy_coef=5e-4",
        "agent.streams=joint",
        "agent.reward_clip=1",
        "agent.bootstrap_truncation=false",
    ]
    recipe = compose("+experiment=count_torchbeast_multiroom_n7_s4")
    assert recipe.setting_id == compose(*given, *agent).setting_id
    assert recipe.labels == compose(*given, *agent).labels


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+experiment=count_torchbeast_multirom", "no such recipe; did you mean count_torchbeast_multiroom_n7_s4"),
        ("experiment=count_torchbeast_multiroom_n7_s4", r"add it as \+experiment=count_torchbeast_multiroom_n7_s4"),
        ("+experiment=count_torchbeast_multiroom_n7_s4.yaml", "no such recipe; did you mean count_torchbeast"),
        ("fidelity=exact", "fidelity=exact: no such option"),
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(override: str, message: str, compose: Compose) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        compose(override)
    assert "\n" not in str(refusal.value)


def test_a_recipe_of_the_users_own_with_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    own = tmp_path / "experiment" / "mine.yaml"
    own.write_text("# @package _global_\n# Mine\ndefaults: [{override /reward: count}]\nreward: {ceof: 1.0}\n")
    arguments = ["run", "+experiment=mine", f"--config-dir={tmp_path}", f"results_dir={tmp_path}", "--cfg=job"]
    refused = rewardlab(*arguments)
    assert refused.returncode == 2 and "reward.ceof: no such key; did you mean coef?" in refused.stderr
    own.write_text(own.read_text().replace("ceof", "coef"))
    shown = rewardlab(*arguments)
    assert shown.returncode == 0 and "coef: 1.0" in shown.stdout


def test_a_recipe_runs_and_its_config_repeats_it(tmp_path: Path) -> None:
    tiny = ["num_envs=4", "frames=512", "agent.rollout_steps=64", "eval.episodes=4", "eval.every=512"]
    recipe = "+experiment=count_torchbeast_multiroom_n7_s4"
    result = rewardlab("run", recipe, "env=doorkey_5x5", *tiny, f"results_dir={tmp_path}")
    assert result.returncode == 0, result.stderr
    (made,) = tmp_path.glob("runs/*/*/*/*/config.yaml")
    repeated = rewardlab("run", f"--config={made}", f"results_dir={tmp_path}")
    assert repeated.returncode == 0 and "finished already" in repeated.stdout + repeated.stderr
    refused = rewardlab("run", f"--config={made}", recipe)
    assert refused.returncode == 2 and "only values can be changed" in refused.stderr


def rewardlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rewardlab", *arguments]
    return subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
