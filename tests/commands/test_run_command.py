"""`rewardlab run` and its neighbours doing what they should."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rewardlab import __version__, run
from rewardlab.config.composition import Prepared

TINY = [
    "env=empty_5x5", "frames=48", "num_envs=2", "eval.episodes=1", "eval.every=48", "agent.rollout_steps=8",
    "agent.minibatch_size=16",
]  # fmt: skip
FAILING_SCHEME = '''\
"""Pays in the wrong shape"""

from dataclasses import dataclass

from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig
from rewardlab.types import Signals


@dataclass
class Config(RewardConfig):
    pass


class Scheme(BaseScheme):
    def compute(self, rollout):
        return Signals({"task": rollout.task_reward[:, :1]})
'''


@pytest.fixture
def prepared_runs(monkeypatch: pytest.MonkeyPatch) -> list[Prepared]:
    """What is handed to `run.run`, which does nothing but succeed."""
    seen: list[Prepared] = []

    def pretend(prepared: Prepared, parts: object = None) -> int:
        seen.append(prepared)
        return 0

    monkeypatch.setattr(run, "run", pretend)
    return seen


def folders(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*") if found.is_dir()}


def test_a_real_run_leaves_its_folder_and_nothing_of_hydras(rewardlab: Callable, tmp_path: Path) -> None:
    answer = rewardlab("run", *TINY)
    assert answer.code == 0, answer.err
    (config,) = tmp_path.rglob("config.yaml")
    assert folders(tmp_path) == {str(parent.relative_to(tmp_path)) for parent in list(config.parents)[:6]} - {"."}
    assert config.parent.parent.relative_to(tmp_path) == Path("results/runs/empty_5x5/none") / config.parent.parent.name
    saved = yaml.safe_load(config.read_text())
    assert (saved["env"]["name"], saved["frames"], saved["results_dir"]) == ("empty_5x5", 48, str(tmp_path / "results"))
    again = rewardlab("run", *TINY)
    assert again.code == 0 and "overwrite=true" in again.out
    repeated = rewardlab("run", "--config", str(config), "results_dir=elsewhere")
    assert repeated.code == 0
    (copy,) = (tmp_path / "elsewhere").rglob("config.yaml")
    assert copy.parent.relative_to(tmp_path / "elsewhere") == config.parent.relative_to(tmp_path / "results")


def test_a_real_sweep_ends_with_its_files(tmp_path: Path) -> None:
    line = [*TINY, "seed=3", "-m", "reward=none"]  # a flag among the overrides
    done = subprocess.run(
        [sys.executable, "-m", "rewardlab", "run", *line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.rglob("seed3-*/summary.json"))) == 1
    assert folders(tmp_path / "results" / "sweeps").pop().count("/") == 0


def test_flags_may_stand_anywhere(rewardlab: Callable, prepared_runs: list[Prepared]) -> None:
    answer = rewardlab("run", *TINY, "--multirun", "seed=0,1", "hydra/launcher=basic", "reward=none,count")
    assert answer.code == 0, answer.err
    assert [(p.config.reward.name, p.config.seed) for p in prepared_runs] == [
        ("none", 0), ("count", 0), ("none", 1), ("count", 1)
    ]  # fmt: skip
    assert all(run.config.env.name == "empty_5x5" for run in prepared_runs)


def test_invalid_pairs_can_be_dropped(rewardlab: Callable, prepared_runs: list[Prepared]) -> None:
    line = ["env=gym,empty_5x5", "reward=none,rdn", "seed=0", "hydra/launcher=basic", "skip_invalid=true"]
    answer = rewardlab("run", "-m", *line)
    assert answer.code == 0, answer.err
    assert [(p.config.env.name, p.config.reward.name) for p in prepared_runs] == [("empty_5x5", "none")]
    assert answer.err.count("dropped: ") == 3


def test_a_key_of_the_swept_choices_need_not_be_one_of_the_default(
    rewardlab: Callable, prepared_runs: list[Prepared], tmp_path: Path
) -> None:
    line = ["env=empty_5x5", "reward=rnd,noveld", "reward.hidden=32", "hydra/launcher=basic"]
    answer = rewardlab("run", "-m", *line)
    assert (answer.code, answer.err) == (0, "")
    assert [(p.config.reward.name, p.config.reward.hidden) for p in prepared_runs] == [("rnd", 32), ("noveld", 32)]
    (saved,) = tmp_path.rglob("multirun.yaml")
    assert yaml.safe_load(saved.read_text())["hydra"]["overrides"]["task"] == line[:3]


def test_a_key_is_left_out_where_a_swept_choice_lacks_it(rewardlab: Callable, prepared_runs: list[Prepared]) -> None:
    line = ["env=empty_5x5", "reward=none,rnd", "reward.hidden=32,16", "hydra/launcher=basic"]
    answer = rewardlab("run", "-m", *line)
    assert [p.labels["reward"] for p in prepared_runs] == ["none", "rnd-hidden=32", "rnd-hidden=16"]
    assert answer.code == 0 and answer.err.splitlines() == [
        f"dropped: reward.hidden={width} from reward=none, which has no such key" for width in (32, 16)
    ]


def test_such_combinations_are_dropped_on_request(rewardlab: Callable, prepared_runs: list[Prepared]) -> None:
    line = ["env=empty_5x5", "reward=none,rnd", "reward.hidden=32", "hydra/launcher=basic", "skip_invalid=true"]
    assert rewardlab("run", "-m", *line).code == 0
    assert [p.labels["reward"] for p in prepared_runs] == ["rnd-hidden=32"]


def test_a_key_that_no_swept_choice_has_is_refused(rewardlab: Callable, prepared_runs: list[Prepared]) -> None:
    answer = rewardlab("run", "-m", "env=empty_5x5", "reward=rnd,noveld", "reward.hiden=32")
    assert answer.code == 2 and not prepared_runs
    assert "reward.hiden: no such key; did you mean hidden?" in answer.err and answer.err.count("\n") == 1


def test_the_run_gets_what_was_validated(rewardlab: Callable, prepared_runs: list[Prepared], tmp_path: Path) -> None:
    (tmp_path / "mine" / "reward").mkdir(parents=True)
    (tmp_path / "mine" / "reward" / "bold.yaml").write_text("defaults: [count_schema, _self_]\ncoef: 4\n")
    answer = rewardlab("run", "reward=bold", "--config-dir", "mine", *TINY, "seed=7")
    assert answer.code == 0, answer.err
    (prepared,) = prepared_runs
    assert (prepared.config.reward.coef, prepared.labels["reward"], prepared.config.seed) == (4.0, "bold", 7)
    assert prepared.overrides == ["reward=bold", *TINY, "seed=7"]


@pytest.mark.parametrize(("codes", "expected"), [([0, 0], 0), ([0, 1], 1), ([2, 0], 1), ([1, 143], 143)])
def test_the_worst_job_decides_the_exit_code(
    codes: list[int], expected: int, rewardlab: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run", lambda prepared: codes[prepared.config.seed])
    assert rewardlab("run", "-m", *TINY, "seed=0,1", "hydra/launcher=basic").code == expected


def test_an_interrupted_run_ends_with_130(rewardlab: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(prepared: Prepared, parts: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run", interrupt)
    answer = rewardlab("run", *TINY)
    assert answer.code == 130 and "Traceback" not in answer.err


def test_an_error_of_ours_is_one_line_unless_asked_for(rewardlab: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(prepared: Prepared, parts: object) -> int:
        raise RuntimeError("the dog ate it")

    monkeypatch.setattr(run, "run", fail)
    monkeypatch.delenv("REWARDLAB_DEBUG", raising=False)
    answer = rewardlab("run", *TINY)
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert "RuntimeError: the dog ate it" in answer.err and "REWARDLAB_DEBUG=1" in answer.err
    monkeypatch.setenv("REWARDLAB_DEBUG", "1")
    answer = rewardlab("run", *TINY)
    assert answer.code == 1 and "Traceback" in answer.err


def test_home_is_known_in_every_shell(rewardlab: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        run, "run", lambda prepared, parts: int(prepared.config.results_dir != str(tmp_path / "home" / "here"))
    )
    assert rewardlab("run", *TINY, "results_dir=~/here").code == 0
    assert folders(tmp_path) == {"home", "home/here"}


def test_showing_the_config_writes_nothing(rewardlab: Callable, tmp_path: Path) -> None:
    answer = rewardlab("run", "reward=rnd", "reward.coef=0.25", "--cfg", "job", "--resolve", "frames=2e6")
    shown = yaml.safe_load(answer.out)
    assert answer.code == 0 and (shown["reward"]["coef"], float(shown["frames"])) == (0.25, 2e6)
    assert "hydra" not in shown
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_the_config_can_be_shown(rewardlab: Callable) -> None:
    answer = rewardlab("run", "-m", "--cfg", "job", "-p", "reward", "reward=rnd", "reward.coef=0.25")
    assert answer.code == 0 and yaml.safe_load(answer.out)["coef"] == 0.25
    assert rewardlab("run", "--cfg", "hydra", "-p", "hydra.launcher.jobs", "hydra.launcher.jobs=7").out == "7\n"


def test_help_explains_the_keys_of_what_was_chosen(rewardlab: Callable) -> None:
    answer = rewardlab("run", "--help", "reward=count")
    assert answer.code == 0
    assert "reward=count" in answer.out and "reward.key=view" in answer.out and "--config-dir" in answer.out
    assert all(f"{key}=" in answer.out for key in ("seed", "frames", "eval.every", "agent.gamma", "device"))


@pytest.mark.parametrize("line", ["--help", "list", "list reward", "run --help"])
def test_every_command_explains_itself(line: str, rewardlab: Callable) -> None:
    answer = rewardlab(*line.split())
    assert answer.code == 0 and answer.out and not answer.err


@pytest.mark.parametrize("command", ["report", "list", "check"])
def test_help_ends_well(command: str, rewardlab: Callable) -> None:
    with pytest.raises(SystemExit) as stop:
        rewardlab(command, "--help")
    assert stop.value.code == 0


def test_version_and_no_command_at_all(rewardlab: Callable) -> None:
    assert rewardlab("--version").out == f"rewardlab {__version__}\n"
    nothing = rewardlab()
    assert nothing.code == 2 and "usage" in nothing.out


def test_check_tells_a_good_scheme_from_a_bad_one(
    rewardlab: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rewardlab("check", "reward=none").code == 0
    (tmp_path / "rewards").mkdir()
    (tmp_path / "rewards" / "misshapen.py").write_text(FAILING_SCHEME)
    monkeypatch.setenv("REWARDLAB_PATH", str(tmp_path))
    answer = rewardlab("check", "reward=misshapen")
    assert answer.code == 1 and "FAILED" in answer.out and "Traceback" not in answer.err


def test_a_message_of_many_lines_stays_in_its_row(rewardlab: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from rewardlab import contracts
    from rewardlab.contracts.result import LawResult

    monkeypatch.setattr(contracts, "check", lambda *_: [LawResult("a_law", False, "first\n\nsecond")])
    assert rewardlab("check", "reward=none").out == "  a_law  FAILED  first second\nnone: 1 laws, 1 failed\n"
