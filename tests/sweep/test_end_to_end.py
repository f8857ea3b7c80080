"""Sweeps as a user starts them: `rewardlab run -m ...` in processes of their own, over tiny real runs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rewardlab.commands import status as view
from rewardlab.config.composition import compose
from rewardlab.sweep.options import FORKS

TINY = ["env=empty_5x5", "num_envs=4", "eval.episodes=2", "agent.rollout_steps=16"]
LONG = ["frames=2e6", "eval.every=2000000", "checkpoint.every=2000000", "seed=0,1"]  # nobody waits for its end

STARTS = ["hydra.launcher.start=fork", "hydra.launcher.start=spawn"][0 if FORKS else 1 :]


def sweep(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rewardlab", "run", "-m", *TINY, f"results_dir={folder}", *overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process: subprocess.Popen[str], timeout: float = 240.0) -> tuple[int, str, str]:
    output, lines = process.communicate(timeout=timeout)
    return process.returncode, output, lines


def statuses(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("runs/*/*/*/*/status.json"))]


def logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("sweeps/*/*.log"))


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for something that happens while `process` is alive."""
    deadline = time.monotonic() + 180.0
    while not condition():
        assert process is None or process.poll() is None, finish(process)
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def test_one_fails_the_others_finish_and_a_rerun_skips_them(tmp_path):
    blocked = compose([*TINY, f"results_dir={tmp_path}", "frames=256", "seed=2"]).folder
    (blocked / "lock").mkdir(parents=True)  # a folder where a file should be
    code, output, lines = finish(sweep(tmp_path, "frames=256", "seed=0,1,2", "hydra.launcher.jobs=2"))
    assert code == 1, output + lines
    assert [status["state"] for status in statuses(tmp_path)] == ["finished", "finished"]
    assert "3 jobs in" in output and "2 finished, 1 failed" in output
    assert "Traceback" not in output + lines
    assert len(logs(tmp_path)) == 3
    assert f"log: {logs(tmp_path)[2].relative_to(tmp_path)}" in output

    code, output, lines = finish(sweep(tmp_path, "frames=256", "seed=0,1"))
    assert code == 0, output + lines
    assert "2 skipped" in output and "start " not in lines
    assert len(logs(tmp_path)) == 3  # no process was started


@pytest.mark.parametrize("start", STARTS)
def test_interrupted_sweep_is_continued_and_dies_with_its_driver(tmp_path, start):
    process = sweep(tmp_path, *LONG, start)
    try:
        wait_until(lambda: view.scan(tmp_path).at_work, process)  # the driver is seen before its first run is
        assert "2 jobs" in view.lines(view.scan(tmp_path), None)[1]
        wait_until(lambda: [status["frames"] > 0 for status in statuses(tmp_path)] == [True, True], process)
        process.send_signal(signal.SIGINT)
        code, output, lines = finish(process)
        assert code == 130, output + lines
        assert "2 interrupted" in output
        interrupted = statuses(tmp_path)
        assert [status["state"] for status in interrupted] == ["interrupted"] * 2
        assert not view.scan(tmp_path).at_work
    finally:
        process.kill()

    process = sweep(tmp_path, *LONG, start)
    try:
        wait_until(lambda: all(status["state"] == "running" for status in statuses(tmp_path)), process)
        wait_until(lambda: "2 jobs: 2 running" in view.lines(view.scan(tmp_path), None)[1], process)
        owners = [json.loads(path.read_text())["pid"] for path in tmp_path.glob("runs/*/*/*/*/lock")]
    finally:
        process.kill()  # not even a signal handler runs: nobody is left to stop the jobs
    process.communicate()
    wait_until(lambda: not any(_alive(pid) for pid in owners))
    ended = statuses(tmp_path)
    assert view.scan(tmp_path).sweeps == ()
    assert [status["state"] for status in ended] == ["interrupted"] * 2
    assert all(after["frames"] >= before["frames"] for before, after in zip(interrupted, ended, strict=True))


def test_two_sweeps_share_the_work(tmp_path):
    processes = [sweep(tmp_path, "frames=256", "seed=0,1,2", "hydra.launcher.jobs=1") for _ in range(2)]
    results = [finish(process) for process in processes]
    assert [code for code, _, _ in results] == [0, 0], results
    assert [status["state"] for status in statuses(tmp_path)] == ["finished"] * 3
    for table in tmp_path.glob("runs/*/*/*/*/train.csv"):
        frames = [int(line.partition(",")[0]) for line in table.read_text().splitlines()[1:]]
        assert frames == sorted(set(frames)) and frames[-1] == 256


@pytest.mark.parametrize(
    ("option", "refusal"),
    [
        ("jobs=0", "must be at least 1"),
        ("start=frok", "no such way to start jobs; did you mean fork? (allowed: fork, spawn)"),
    ],
)
def test_options_are_checked_before_anything_is_built(tmp_path, tmp_path_factory, monkeypatch, option, refusal):
    # With no kernels kept, to build anything is to compile, and to say so.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
    code, output, lines = finish(sweep(tmp_path, "frames=256", "seed=0,1", f"hydra.launcher.{option}"))
    assert code == 2, output + lines
    assert lines == f"hydra.launcher.{option}: {refusal}\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("values", ["none,nosuch"])
def test_invalid_combination_refuses_the_sweep_before_anything_is_written(tmp_path, values):
    code, output, lines = finish(sweep(tmp_path, "frames=256", f"reward={values}", "seed=0"))
    assert code == 2, output + lines
    assert os.listdir(tmp_path) == []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
