"""Ctrl-C at random moments of a command's first seconds: one line, exit code 130, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rewardlab.records import checkpoint
from rewardlab.records.continuation import decide
from rewardlab.records.status import read_status
from tests.torture import runs

ROOT = Path(__file__).parents[2]
SETTING = [*runs.TINY, "env=doorkey_5x5", "reward=rnd", "reward.warmup=8", "frames=400_000"]
# What is started, and what a signal meets once it is at work: a run, or the jobs of a sweep.
COMMANDS = {
    "run": ["run", *SETTING],
    "sweep": ["run", "-m", *SETTING, "seed=0,1,2", "hydra.launcher.jobs=2"],
    "refused run": ["run", "env=gym", "env.id=Pendulum-v1", "agent=dqn"],  # interrupted after its line: also well
}


@dataclass
class Interrupted:
    """What became of commands that were interrupted. `faults` has a line for whatever should not be."""

    moments: int = 0
    before_python: int = 0  # Python itself was still starting: no line of ours had run
    starting: int = 0
    at_work: int = 0
    ended: int = 0  # before the signal came
    faults: list[str] = field(default_factory=list)


def interrupt_starts(root: Path, moments: int, seed: int = 0, commands: Sequence[str] = tuple(COMMANDS)) -> Interrupted:
    """Interrupt each of some commands at random moments, from its first instant to a little after its run has begun."""
    # A shell that starts this in the background has Ctrl-C ignored, and so would have what is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, found = runs.points(moments, seed), Interrupted()
    spans = {name: _seconds_until_work(root / f"whole-{name.replace(' ', '-')}", name) for name in commands}
    for number in range(moments):
        name = commands[number % len(commands)]
        _interrupt(root / str(number), name, rng.uniform(0.0, 1.1 * spans[name]), found)
    return found


def _interrupt(folder: Path, name: str, seconds: float, found: Interrupted) -> None:
    process = _start(folder, COMMANDS[name])
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0]
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    found.moments += 1
    fault = ""
    if _ours_had_not_begun(process.returncode, said):
        found.before_python += 1
        fault = f"left {left}" if left else ""
    elif name == "refused run" and said.startswith("agent=dqn: ") and process.returncode in (2, 130):
        found.ended += 1
        fault = f"left {left}" if left else ""
    elif process.returncode != 130:
        fault = f"exit code {process.returncode}"
    elif said == "rewardlab: interrupted\n":
        found.starting += 1
        fault = f"left {left}" if left else ""
    else:
        found.at_work += 1
        fault = _fault_at_work(folder, name, said)
    if fault:
        found.faults.append(f"{name} after {seconds:.3f} s: {fault}; it said: {said[-600:]!r}")


def _fault_at_work(folder: Path, name: str, said: str) -> str:
    """A run that has begun writes its checkpoint and says so; a sweep has a table, and logs of which the same holds."""
    logs = [path.read_text() for path in folder.glob("results/sweeps/*/*.log")]
    if any("Traceback" in text or "internal error" in text for text in (said, *logs)):
        return "a traceback"
    if temporary := [str(path) for path in folder.rglob(".*.tmp")]:
        return f"left {temporary}"
    if name == "run":
        lines = [line for line in said.splitlines() if " fps  return " not in line]
        if len(lines) != 1 or "interrupted: signal 2" not in lines[0]:
            return "not one line"
    elif not logs and "3 not started" not in said:  # the warm process was not ready
        return "a sweep without jobs"
    for path in folder.glob("results/runs/*/*/*/*"):
        status, why = read_status(path)
        if status is None or status.state not in ("interrupted", "finished"):
            return f"{path.name}: {why or status}"
        if (path / checkpoint.CHECKPOINT).exists() and checkpoint.load(path / checkpoint.CHECKPOINT)[0] is None:
            return f"{path.name}: its checkpoint cannot be read"
        if decide(path, overwrite=False).action not in ("continue", "start", "skip"):
            return f"{path.name}: it blocks"
    return ""


def _ours_had_not_begun(code: int, said: str) -> bool:
    """Python ends by the signal itself, or by a traceback in which nothing of ours is under way."""
    ours = ("rewardlab/commands", "rewardlab/run.py", "rewardlab/starting.py", "rewardlab/config", "hydra")
    return code == -signal.SIGINT or (code == 1 and "KeyboardInterrupt" in said and not any(o in said for o in ours))


def _start(folder: Path, arguments: Sequence[str]) -> "subprocess.Popen[str]":
    folder.mkdir(parents=True)
    return subprocess.Popen(
        [sys.executable, "-m", "rewardlab", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _seconds_until_work(folder: Path, name: str) -> float:
    """How long a command takes until a run of it has a table, or until it ends by itself."""
    started = time.monotonic()
    process = _start(folder, COMMANDS[name])
    while process.poll() is None and not any(folder.glob("results/runs/*/*/*/*/train.csv")):
        time.sleep(0.01)
    seconds = time.monotonic() - started
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    return seconds
