"""Runs of one setting made by different code: the manifest knows, and every command says so."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rewardlab import sources
from rewardlab.cli import main
from rewardlab.config.code import code_of
from rewardlab.config.composition import compose

SCHEME = '''\
"""Pays a little for every step"""

from dataclasses import dataclass

import torch
from amount_of_mine import AMOUNT

from rewardlab.rewards.base import BonusConfig, BonusScheme


@dataclass
class Config(BonusConfig):
    pass


class Scheme(BonusScheme):
    def bonus(self, rollout):
        return torch.full(rollout.task_reward.shape, AMOUNT)
'''
TINY = ["env=empty_5x5", "frames=48", "num_envs=2", "eval.episodes=1", "agent.rollout_steps=8"]


@pytest.fixture
def rewardlab(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    (tmp_path / "mine" / "rewards").mkdir(parents=True)
    (tmp_path / "mine" / "rewards" / "little.py").write_text(SCHEME)
    (tmp_path / "amount_of_mine.py").write_text("AMOUNT = 0.1\n")
    root = Path(__file__).parents[2]

    def call(*words: str) -> subprocess.CompletedProcess:
        import os

        path = os.pathsep.join([str(root), str(tmp_path)])
        environment = {**os.environ, "PYTHONPATH": path, "REWARDLAB_PATH": str(tmp_path / "mine"), "TERM": "dumb"}
        command = [sys.executable, "-m", "rewardlab", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return call


def test_runs_of_one_setting_by_different_code_are_told_apart(
    rewardlab: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["run", *TINY, "reward=little"]
    assert rewardlab(*line, "seed=0").returncode == 0
    assert "other code" not in rewardlab(*line, "seed=0").stdout
    (manifest,) = tmp_path.rglob("manifest.json")
    code = json.loads(manifest.read_text())["code"]
    assert {"env", "reward", "agent", "package"} == set(code)

    (tmp_path / "amount_of_mine.py").write_text("AMOUNT = 0.2\n")  # what the scheme imports is its code too
    skipped = rewardlab(*line, "seed=0").stdout
    assert "by other code than there is now (reward): overwrite=true" in skipped
    swept = rewardlab("run", "-m", *TINY, "reward=little", "seed=0,1")
    assert swept.returncode == 0 and "by other code than there is now (reward)" in swept.stdout + swept.stderr
    assert main(["report"]) == 0
    report = capsys.readouterr().out
    assert "different code though of one setting: little" in report and "(reward changed between seeds 0 / 1)" in report

    old = json.loads(manifest.read_text())
    del old["code"]
    manifest.write_text(json.dumps(old))
    assert "other code" not in rewardlab(*line, "seed=0").stdout
    assert main(["report"]) == 0
    assert "different code" not in capsys.readouterr().out


def test_a_run_that_goes_on_under_other_code_says_so(rewardlab: Callable, tmp_path: Path) -> None:
    line = ["run", *TINY, "reward=little"]
    assert rewardlab(*line).returncode == 0
    (manifest,) = tmp_path.rglob("manifest.json")
    status = manifest.with_name("status.json")
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "interrupted"}))
    scheme = tmp_path / "mine" / "rewards" / "little.py"
    scheme.write_text(scheme.read_text() + "# changed\n")
    answer = rewardlab(*line)
    assert answer.returncode == 0
    assert "continued under other code than it began with (reward)" in answer.stderr
    assert "continued under other code" in manifest.with_name("run.log").read_text()
    found = json.loads(manifest.read_text())
    assert (found["resume"], found["continuations"][0]["changed"]) == ("approximate", ["code"])


def test_only_what_can_change_numbers_counts_and_the_parts_of_a_mix_too() -> None:
    code = code_of(compose(["env=empty_5x5", "reward=mix"]).config)
    assert {"reward", "reward.schemes.rnd", "reward.schemes.count"} <= set(code)
    plain = code_of(compose(["env=empty_5x5", "reward=none"]).config)
    assert plain["agent"] == code["agent"] and plain["env"] == code["env"]


def test_a_change_in_the_package_shows_and_one_in_the_report_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose(["env=empty_5x5", "reward=rnd"]).config
    before, texts = code_of(config), sources.texts()

    def changed_by(name: str) -> set[str]:
        path = sources.PACKAGE / name
        with monkeypatch.context() as patch:
            patch.setattr(sources, "texts", lambda: {**texts, path: texts[path] + b"# changed"})
            after = code_of(config)
        return {place for place in before if before[place] != after[place]}

    assert (
        changed_by("maths/gae.py") == changed_by("training/loop.py") == changed_by("gridworld/moves.py") == {"package"}
    )
    assert changed_by("rewards/bonus/rnd.py") == {"reward"} and changed_by("agents/on_policy/ppo.py") == {"agent"}
    for name in ("report/cautions.py", "commands/run.py", "records/lock.py", "rewards/bonus/icm.py"):
        assert changed_by(name) == set()


def test_hashing_takes_no_time_to_speak_of() -> None:
    config = compose(["env=empty_5x5", "reward=rnd"]).config
    times = []
    for _ in range(3):
        sources.texts.cache_clear()
        started = time.perf_counter()
        code_of(config)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.2  # tens of milliseconds on a busy machine
