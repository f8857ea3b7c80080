"""Tiny runs in forked processes that can be killed anywhere, and the comparison of what they leave."""

import csv
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rewardlab.config.composition import Prepared, compose
from rewardlab.records.store import RunStore
from rewardlab.run import run

WALL_CLOCK = {"wall_seconds", "cpu_seconds", "fps"}
TINY = ["num_envs=4", "agent.rollout_steps=32", "eval.episodes=4", "eval.every=700", "checkpoint.every=1"]
# What the checkpoint of each has to carry differs: engine, noise, memory, random streams, counts, moments.
SETTINGS: dict[str, list[str]] = {
    "rnd, fast engine": ["env=empty_random_6x6", "reward=rnd", "reward.warmup=8"],
    "gru and count, fast engine": ["env=doorkey_5x5", "agent.memory=gru", "reward=count"],
    "icm, reference backend": ["env=fetch_5x5_n2", "env.backend=reference", "reward=icm"],
    "count, five levels, noise": ["env=empty_random_6x6", "env.levels=5", "env.noise=tv", "reward=count"],
    "mix, reference backend, moving obstacles": ["env=dynamic_obstacles_5x5", "env.backend=reference", "reward=mix"],
    "dqn, prioritised replay": [
        "env=empty_random_6x6",
        "reward=count",
        "agent=dqn",
        "agent.prioritised=true",
        "agent.hidden=[16]",
        "agent.learning_starts=200",
        "agent.batch_size=32",
        "agent.samples_per_step=1",
        "agent.buffer_size=1500",
    ],
    "Pendulum": ["env=gym", "env.id=Pendulum-v1", "reward=rnd", "reward.warmup=8"],
}


def prepare(setting: str, folder: Path, *overrides: str, frames: int = 3000) -> Prepared:
    return compose([*TINY, *SETTINGS[setting], f"frames={frames}", *overrides, f"results_dir={folder}"])


def forked(work: Callable[[], int], log: Path) -> int:
    """The id of a process that does some work; what it prints goes to `log`."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = sys.stderr = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  # not what pytest put there
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """The exit code of a forked process, minus the signal's number where it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_killed_after(prepared: Prepared, seconds: float, log: Path) -> int:
    """Run, with SIGKILL after so many seconds."""
    pid = forked(lambda: run(prepared), log)
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            break
        time.sleep(0.002)
    else:
        os.kill(pid, signal.SIGKILL)
    return ended(pid)


def run_killed_at(prepared: Prepared, operation: int, log: Path) -> int:
    """Run, with SIGKILL at the n-th time that something is synced, renamed or cut: in the middle of writing."""

    def work() -> int:
        left = [operation]

        def fatal(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **options)

            return call

        os.fsync, os.replace = fatal(os.fsync), fatal(os.replace)
        return run(prepared)

    return ended(forked(work, log))


def unreadable(folder: Path) -> list[str]:
    """Files of a run that a reader would stumble over; a missing one is none."""
    found = []
    for path in folder.glob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError:
            found.append(path.name)
    for path in folder.glob("*.csv"):
        text = path.read_text()
        rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
        if any(len(row) != len(rows[0]) for row in rows):
            found.append(path.name)
    for name in ("checkpoint.pt", "policy.pt", *(path.name for path in folder.glob("replay-*.pt"))):
        try:
            if (folder / name).exists():
                torch.load(folder / name, weights_only=True)
        except Exception:
            found.append(name)
    return found


def differing(one: Path, other: Path) -> list[str]:
    """Tables and weights in which two runs differ, wall-clock columns aside; bit for bit."""
    found = [name for name in ("train.csv", "eval.csv") if table(one / name) != table(other / name)]
    first, second = (RunStore(folder).load_policy() for folder in (one, other))
    return found if first is not None and second is not None and same(first, second) else [*found, "policy.pt"]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return [{key: cell for key, cell in row.items() if key not in WALL_CLOCK} for row in csv.DictReader(file)]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def points(count: int, seed: int) -> random.Random:
    return random.Random(f"{count}/{seed}")
