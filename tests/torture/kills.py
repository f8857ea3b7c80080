"""SIGKILL at random points of a run, and of the driver of a sweep."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from rewardlab.records.lock import live_owner
from rewardlab.run import run, validated
from tests.torture import runs


@dataclass
class Killed:
    """What became of runs that were killed. `where` counts kills in the middle of a write apart."""

    runs: int = 0
    kills: int = 0
    while_writing: int = 0
    unreadable: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    resumes: set[str] = field(default_factory=set)


def kill_runs(root: Path, kills: int, seed: int = 0, settings: list[str] | None = None) -> Killed:
    """Kill runs of several settings `kills` times in all, continue each to its end, and compare with unbroken ones."""
    rng, found = runs.points(kills, seed), Killed()
    names = settings or list(runs.SETTINGS)
    for index, setting in enumerate(names):
        unbroken = runs.prepare(setting, root / "unbroken")
        validated(unbroken.config).env.close()  # kernels are loaded once, not in each process
        started = time.monotonic()
        assert runs.ended(runs.forked(lambda: run(unbroken), root / "log")) == 0, (root / "log").read_text()  # noqa: B023
        length = time.monotonic() - started
        share = kills * (index + 1) // len(names) - kills * index // len(names)
        while share > 0:
            broken = runs.prepare(setting, root / f"broken{found.runs}")
            found.runs += 1
            share -= _kill_until_done(broken, unbroken.folder, share, length, rng, root / "log", found)
    return found


def _kill_until_done(broken, unbroken, most, length, rng, log, found) -> int:  # type: ignore[no-untyped-def]
    """Kill one run at most `most` times, then let it end; returns how often it was killed."""
    kills, code = 0, -1
    while kills < most and code != 0:
        if rng.random() < 0.5:
            code = runs.run_killed_after(broken, rng.uniform(0.0, length), log)
        else:
            code = runs.run_killed_at(broken, rng.randint(1, 60), log)
            found.while_writing += code < 0
        assert code in (0, -signal.SIGKILL), log.read_text()
        if code < 0:
            kills += 1
            found.kills += 1
            found.unreadable += [f"{broken.folder}/{name}" for name in runs.unreadable(broken.folder)]
    if code != 0:
        assert runs.ended(runs.forked(lambda: run(broken), log)) == 0, log.read_text()
    found.differing += [f"{broken.folder}/{name}" for name in runs.differing(broken.folder, unbroken)]
    found.resumes.add(json.loads((broken.folder / "manifest.json").read_text())["resume"])
    assert not list(broken.folder.glob(".*.tmp"))
    return kills


@dataclass
class KilledDriver:
    """What became of a sweep whose driver was killed."""

    kills: int = 0
    results: int = 0
    run_again: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphans: int = 0


def kill_driver(root: Path, jobs: int, kills: int, seed: int = 0) -> KilledDriver:
    """Kill the driver of a sweep of `jobs` runs at random points, rerun the same command each time, count results.

    The points lie between a fifth of the time that one run alone takes, start included, and two and a half times that.
    """
    rng, found = runs.points(kills, seed), KilledDriver()
    overrides = [*runs.TINY, "env=empty_random_6x6", "reward=rnd", "reward.warmup=8", "frames=3000"]
    program = [sys.executable, "-m", "rewardlab", "run"]
    started = time.monotonic()
    subprocess.run([*program, *overrides, f"results_dir={root / 'alone'}"], check=True, capture_output=True)
    alone = time.monotonic() - started
    command = [*program, "-m", *overrides, f"seed=range(0,{jobs})", "hydra.launcher.jobs=2", f"results_dir={root}"]
    while True:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = _finished(root)
        if found.kills == kills:
            assert process.wait() == 0
        else:
            try:
                process.wait(timeout=alone * rng.uniform(0.2, 2.5))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                found.kills += 1
                found.orphans += not _all_end(root, seconds=12.0)
        after = _finished(root)
        found.run_again += [name for name, moment in before.items() if after.get(name) != moment]
        if found.kills == kills and len(after) == jobs:
            break
        if process.returncode == 0:  # done before all kills were spent
            break
    folders = [path.parent for path in root.glob("runs/*/*/*/*/status.json")]
    found.results = len(_finished(root))
    for folder in folders:
        frames = [int(row["frames"]) for row in runs.table(folder / "train.csv")]
        if frames != sorted(set(frames)) or frames[-1] != 3000:
            found.doubled.append(str(folder))
    return found


def _finished(root: Path) -> dict[str, int]:
    """The finished runs, each with the time at which its summary was written."""
    folders = [path.parent for path in root.glob("runs/*/*/*/*/status.json")]
    done = [folder for folder in folders if json.loads((folder / "status.json").read_text())["state"] == "finished"]
    return {str(folder): os.stat(folder / "summary.json").st_mtime_ns for folder in done}


def _all_end(root: Path, seconds: float) -> bool:
    """Whether every job of a dead driver ends by itself in time."""
    give_up = time.monotonic() + seconds
    while any(live_owner(path.parent) for path in root.glob("runs/*/*/*/*/lock")):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True
