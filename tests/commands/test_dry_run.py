"""`rewardlab run ... --dry-run`: the jobs of the real sweep, what is done of them, and what the rest takes."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardlab.config.composition import compose
from rewardlab.sweep.past import together

TINY = [
    "env=empty_5x5", "frames=48", "num_envs=2", "eval.episodes=1", "eval.every=48", "agent.rollout_steps=8",
    "agent.minibatch_size=16",
]  # fmt: skip


@pytest.fixture
def nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a process was started: {arguments}")

    monkeypatch.setattr(subprocess.Popen, "__init__", refused)
    monkeypatch.setattr(os, "fork", refused)


def files(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def finished(overrides: Sequence[str], seconds: float, size: int) -> Path:
    """A run as one that has ended leaves it: what it took, and `size` bytes."""
    prepared = compose(overrides)
    prepared.folder.mkdir(parents=True)
    done = {"state": "finished", "frames": prepared.config.frames, "updated_at": "2026-01-01T00:00:00+00:00"}
    contents = {"manifest": {"config": prepared.flat}, "status": done, "summary": {"wall_seconds": seconds}}
    for name, content in contents.items():
        (prepared.folder / f"{name}.json").write_text(json.dumps(content))
    (prepared.folder / "policy.pt").write_bytes(
        b"0" * (size - sum(path.stat().st_size for path in prepared.folder.iterdir()))
    )
    return prepared.folder


def rows(out: str) -> dict[str, list[str]]:
    """Cells of the table below the sums, by name."""
    table = out.partition("\n\n")[2].splitlines()
    return {cells[0]: cells[1:] for cells in (re.split(r" {2,}", line) for line in table)}


def test_it_lists_what_a_sweep_would_do_and_touches_nothing(
    rewardlab: Callable, tmp_path: Path, nothing_begins: None
) -> None:
    line = ["-m", *TINY, "reward=none,count", "seed=0,1"]
    answer = rewardlab("run", *line, "--dry-run")
    assert (answer.code, answer.err, list(tmp_path.iterdir())) == (0, "", [])
    assert answer.out.startswith("4 jobs: 4 new. Nothing is started or written.\nUnknown for 4 jobs: ")
    assert {name: cells[0] for name, cells in rows(answer.out).items()} == {
        "setting": "jobs", "empty_5x5 none ppo-rollout_steps=8-minibatch_size=16": "2 new",
        "empty_5x5 count ppo-rollout_steps=8-minibatch_size=16": "2 new",
    }  # fmt: skip


def test_it_decides_as_the_sweep_does(rewardlab: Callable, tmp_path: Path) -> None:
    sweep = ["-m", *TINY, "reward=none", "seed=0,1,2", "hydra/launcher=basic"]
    assert rewardlab("run", *TINY, "reward=none", "seed=1").code == 0
    assert rewardlab("run", *TINY, "reward=none", "seed=2").code == 0
    (status,) = tmp_path.rglob("seed2-*/status.json")
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "interrupted", "frames": 16}))
    before = files(tmp_path)
    answer = rewardlab("run", *sweep, "--dry-run", "--long")
    assert files(tmp_path) == before
    assert answer.out.startswith("3 jobs: 1 new, 1 continues, 1 finished.")
    told = {name.rpartition(" ")[2]: cells[:2] for name, cells in rows(answer.out).items()}
    assert told == {
        "run": ["job", "frames"],
        "seed0": ["new", "48"],
        "seed1": ["finished"],
        "seed2": ["continues", "32"],
    }
    assert rewardlab("run", *sweep).code == 0
    assert rewardlab("run", *sweep, "--dry-run").out.splitlines()[0].startswith("3 jobs: 3 finished.")
    assert "1 job: 1 new" in rewardlab("run", *TINY, "seed=1", "overwrite=true", "--dry-run").out
    assert "1 job: 1 finished" in rewardlab("run", *TINY, "seed=1", "--dry-run").out


def test_time_and_disk_are_those_of_finished_runs_of_the_kind(rewardlab: Callable, nothing_begins: None) -> None:
    finished([*TINY, "reward=rnd", "frames=1000", "seed=0"], seconds=10, size=500_000)  # 100 frames a second
    finished([*TINY, "reward=rnd", "frames=1000", "seed=1"], seconds=20, size=700_000)
    finished([*TINY, "reward=rnd", "frames=1000", "seed=2"], seconds=20, size=700_000)
    finished([*TINY, "reward=count", "frames=1000"], seconds=1, size=100_000)
    asked = [*TINY, "frames=60_000", "seed=range(0,3)", "hydra.launcher.jobs=2"]
    answer = rewardlab("run", "-m", *asked, "reward=rnd", "--dry-run")
    (_, cells) = list(rows(answer.out).items())[1]
    assert cells == ["3 new", "180k", "60 min", "2.1 MB"]  # at 50 frames a second
    assert answer.out.splitlines()[1].startswith(
        "About 60 min of computing, 40 min with 2 jobs at once; 2.1 MB of disk ("
    )
    # Of another scheme the same environment and agent tell: the median of the four.
    (_, cells) = list(rows(rewardlab("run", "-m", *asked, "reward=icm", "--dry-run").out).items())[1]
    assert cells == ["3 new", "180k", "40 min", "1.8 MB"]
    # Another environment tells nothing.
    other = rewardlab("run", "-m", "env=empty_6x6,empty_5x5", *asked[1:], "reward=rnd", "--dry-run")
    assert "Unknown for 3 jobs: no finished run in results has the environment and the agent." in other.out
    assert next(cells for name, cells in rows(other.out).items() if "6x6" in name)[2:] == ["unknown", "unknown"]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_large_sweep_is_twenty_lines_that_fit(rewardlab: Callable, terminal: Callable, columns: int) -> None:
    terminal(columns)
    line = ["-m", "env=empty_5x5", "reward=none,count", "num_envs=range(1,31)", "seed=range(0,5)", "--dry-run"]
    told = rewardlab("run", *line).out.splitlines()
    assert told[0].startswith("300 jobs: 300 new.")
    assert len(told) <= 20 and max(map(len, told)) <= columns
    assert told[-1] == "and 47 settings more; --long lists every job"
    every = rewardlab("run", *line, "--long").out.splitlines()
    assert sum(" new " in text for text in every) == 300 and max(map(len, every)) <= columns


@pytest.mark.parametrize(
    "line",
    [
        ["-m", "reward=none,rdn"],
        ["-m", "env=gym,empty_5x5"],
        ["-m", "env=empty_5x5", "frames=0,10"],
        ["-m", "env=empty_5x5", "seed=0,1", "hydra.launcher.jobs=0"],
        ["env=empty_5x5", "hydra.launcher.jobs=1"],
        ["reward=none,rnd"],
        ["+study=quick"],
        ["agent=sac", "env=empty_5x5"],
    ],
)
def test_bad_input_is_refused_as_in_a_real_run(rewardlab: Callable, line: list, tmp_path: Path) -> None:
    real, dry = rewardlab("run", *line), rewardlab("run", *line, "--dry-run")
    assert (dry.code, dry.err, dry.out) == (real.code, real.err, "") == (2, real.err, "")
    assert real.err.count("\n") == 1


@pytest.mark.parametrize("flags", [["--long"], ["--dry-run", "--cfg", "job"]])
def test_flags_that_do_not_go_together(rewardlab: Callable, flags: list) -> None:
    answer = rewardlab("run", "env=empty_5x5", *flags)
    assert answer.code == 2 and answer.err.count("\n") == 1


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30), st.integers(1, 8))
def test_jobs_side_by_side(seconds: list[float], at_once: int) -> None:
    found, even = together(seconds, at_once), sum(seconds) / at_once
    assert max(max(seconds), even) * (1 - 1e-9) <= found <= even + max(seconds) + 1e-9
    assert together(seconds, 1) == pytest.approx(sum(seconds))
    assert together(seconds, len(seconds)) == max(seconds)
