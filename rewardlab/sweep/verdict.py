"""What became of a job whose process has ended: its exit code and the files of its run, put together."""

import contextlib
import signal
from pathlib import Path

from rewardlab.errors import one_line
from rewardlab.records import lock
from rewardlab.records.continuation import decide
from rewardlab.records.status import Status, read_status, write_status
from rewardlab.stopping import SIGNALS

COMMAND_MARK = "$ "  # begins the line of a log that shows the command
_TAIL_BYTES = 8192
_STOPPED = {code for number in SIGNALS for code in (128 + number, -number)}


def judge(folder: Path, exit_code: int, before: Status | None, continued: bool, log: Path) -> tuple[str, str]:
    """The state of an ended job, and the reason or the last error line.

    Args:
        folder: the run's.
        exit_code: as subprocess gives it: minus the signal's number for a killed process.
        before: the run's status when the job was started; what it left unchanged says nothing about it.
        continued: whether it had a checkpoint to go on from.
        log: what the process printed.
    """
    status = read_status(folder)[0]
    fresh = status if status != before else None
    if exit_code == 0 and fresh is not None and fresh.state == "finished":
        return ("continued" if continued else "finished"), ""
    if exit_code == 0 and status is not None and status.state == "paused":  # perhaps by another process
        return "paused", f"at frame {status.frames}"
    if fresh is not None and fresh.state == "diverged":
        return "diverged", fresh.error or ""
    if exit_code in _STOPPED:
        return "interrupted", f"at frame {fresh.frames}" if fresh is not None else "before its first frame"
    if exit_code < 0:
        return "failed", _killed_by(-exit_code)
    if exit_code == 0:  # another process did the job, or is at it
        decision = decide(folder, overwrite=False)
        if decision.settled is not None:  # the run itself said nothing: what a fresh look at its folder comes to
            return decision.settled, decision.reason
        return "failed", f"ended without a result: {last_line(log) or decision.reason}"
    reported = fresh.error if fresh is not None and fresh.state == "failed" else None
    return "failed", reported or last_line(log) or f"exit code {exit_code}"


def record_kill(folder: Path, exit_code: int) -> None:
    """Say in a run's status that its process was killed, as it could not itself; never over another process's head."""
    with contextlib.suppress(OSError, lock.Locked):
        status = read_status(folder)[0]
        if status is None or status.state != "running":
            return
        with lock.hold(folder):
            if read_status(folder)[0] == status:
                write_status(folder, "failed", status.frames, _killed_by(-exit_code), "killed")


def last_line(log: Path) -> str:
    """The last line of a log that is not empty; an empty text if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line for line in lines if line.strip() and not line.startswith(COMMAND_MARK)]
    return one_line(said[-1]) if said else ""


def _killed_by(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"killed by {name}" + (" (out of memory?)" if number == signal.SIGKILL else "")
