"""What to do with a run's folder: start, continue, or leave it alone."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rewardlab.records.checkpoint import CHECKPOINT
from rewardlab.records.files import read_json
from rewardlab.records.lock import live_owner
from rewardlab.records.manifest import other_code
from rewardlab.records.status import Status, read_status

NO_STATUS = "no status.json"
ANEW = "overwrite=true starts anew and keeps aside what is there"


@dataclass(frozen=True)
class Decision:
    """What to do, and one line for people that says why.

    action: start, continue, skip, paused, diverged, locked, or damaged: neither can it go on, nor is it begun anew
        unasked.
    keep: before a start, put aside what is there: it is of a run that lost a part of itself.
    """

    action: str
    reason: str
    keep: bool = False

    @property
    def settled(self) -> str | None:
        """What a sweep calls a run about which there is nothing to do; None where it is to be started or continued."""
        return {"skip": "skipped", "paused": "skipped", "diverged": "diverged", "locked": "left"}.get(self.action)

    @property
    def exit_code(self) -> int:
        """Of a command that finds its run settled."""
        return 1 if self.action in ("diverged", "damaged") else 0


def decide(folder: Path, overwrite: bool, held: bool = False, pause_at: int | None = None) -> Decision:
    """Decide from the files of a folder, without loading them.

    Args:
        folder: the run's folder, which need not exist.
        overwrite: whether to start anew whatever is there; a live process is left alone all the same.
        held: whether the caller itself holds the lock.
        pause_at: training frames that are wanted for now; None: all.
    """
    if not held and (owner := live_owner(folder)) is not None:
        return Decision("locked", f"left to {owner}")
    status, problem = read_status(folder)
    if overwrite:
        lost = _is_damaged(folder, status, problem)
        return Decision("start", "starts anew (overwrite=true)" if status else "a new run", keep=lost)
    if status is None:
        return _unknown(folder, problem)
    if status.state == "finished":
        return Decision(
            "skip",
            f"finished already, {status.frames} frames at {status.updated_at}: "
            "overwrite=true runs it anew, results_dir=DIR puts another one elsewhere",
        )
    if status.state == "diverged":
        return Decision(
            "diverged",
            f"diverged at frame {status.frames}{_because(status)}: that is a result; overwrite=true runs it anew",
        )
    if status.state == "paused" and pause_at is not None and status.frames >= pause_at:
        return Decision("paused", f"paused at frame {status.frames} already: a larger pause_at, or none, continues it")
    return _again(folder, _what_happened(status), keep=status.frames > 0)


def told(decision: Decision, folder: Path, code: Mapping[str, str]) -> str:
    """The reason, and, of a run that stands as a result, in what the code that made it differs from that of now."""
    changed = (
        other_code(read_json(folder / "manifest.json")[0], code)
        if decision.action in ("skip", "paused", "diverged")
        else []
    )
    if not changed:
        return decision.reason
    head, colon, rest = decision.reason.partition(": ")
    return f"{head}, by other code than there is now ({', '.join(changed)}){colon}{rest}"


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a whole checkpoint, by its format; its content is seen when it is loaded."""
    try:
        return zipfile.is_zipfile(folder / CHECKPOINT)
    except OSError:
        return False


def _is_damaged(folder: Path, status: Status | None, problem: str) -> bool:
    """Whether it is known, without loading anything, that a part of the run is lost; a finished run lacks nothing."""
    if status is None:
        return problem != NO_STATUS or (folder / CHECKPOINT).exists()
    if status.state in ("finished", "diverged"):
        return False
    return status.kind == "damaged" or ((folder / CHECKPOINT).exists() and not has_checkpoint(folder))


def _unknown(folder: Path, problem: str) -> Decision:
    if problem == NO_STATUS:
        return Decision("start", "a new run", keep=(folder / CHECKPOINT).exists())
    return _again(folder, problem, keep=True)


def _again(folder: Path, happened: str, keep: bool) -> Decision:
    if has_checkpoint(folder):
        return Decision("continue", f"{happened}: continued from its last checkpoint")
    if (folder / CHECKPOINT).exists():
        return Decision("damaged", f"{happened}, and its {CHECKPOINT} is damaged: not continued; {ANEW}")
    return Decision("start", f"{happened}, and left no checkpoint: starts anew", keep)


def _what_happened(status: Status) -> str:
    if status.state in ("interrupted", "paused"):
        return f"{status.state} at frame {status.frames}"
    if status.state == "running" or status.kind == "killed":
        return f"killed after frame {status.frames}"
    if status.kind == "damaged":
        return f"not continued at frame {status.frames}{_because(status)}, tried again"
    if status.kind == "storage":
        return f"failed at frame {status.frames} because it could not write{_because(status)}"
    return f"failed at frame {status.frames}{_because(status)}, tried again"


def _because(status: Status) -> str:
    return f" ({status.error})" if status.error else ""
