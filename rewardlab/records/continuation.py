"""What to do with a run's folder: start, continue, or leave it alone."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from rewardlab.records.checkpoint import CHECKPOINT
from rewardlab.records.lock import live_owner
from rewardlab.records.status import Status, read_status


@dataclass(frozen=True)
class Decision:
    """`action` is start, continue, skip, diverged or locked; `reason` is one line for people."""

    action: str
    reason: str

    @property
    def settled(self) -> str | None:
        """What a sweep calls a run about which there is nothing to do; None where it is to be started or continued."""
        return {"skip": "skipped", "diverged": "diverged", "locked": "left"}.get(self.action)

    @property
    def exit_code(self) -> int:
        """Of a command that finds its run settled."""
        return 1 if self.action == "diverged" else 0


def decide(folder: Path, overwrite: bool, held: bool = False) -> Decision:
    """Decide from the files of a folder, without loading them.

    Args:
        folder: the run's folder, which need not exist.
        overwrite: whether to start anew whatever is there; a live process is left alone all the same.
        held: whether the caller itself holds the lock.
    """
    if not held and (owner := live_owner(folder)) is not None:
        return Decision("locked", f"left to {owner}")
    status, problem = read_status(folder)
    if overwrite:
        return Decision("start", "starts anew (overwrite=true)" if status else "a new run")
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
    return _again(folder, _what_happened(status))


def has_checkpoint(folder: Path) -> bool:
    """Whether there is a whole checkpoint, by its format; its content is seen when it is loaded."""
    try:
        return zipfile.is_zipfile(folder / CHECKPOINT)
    except OSError:
        return False


def _unknown(folder: Path, problem: str) -> Decision:
    if problem == "no status.json":
        return Decision("start", "a new run")
    return _again(folder, problem)


def _again(folder: Path, happened: str) -> Decision:
    if has_checkpoint(folder):
        return Decision("continue", f"{happened}: continued from its last checkpoint")
    return Decision("start", f"{happened}, and left no checkpoint: starts anew")


def _what_happened(status: Status) -> str:
    if status.state == "interrupted":
        return f"interrupted at frame {status.frames}"
    if status.state == "running" or status.kind == "killed":
        return f"killed after frame {status.frames}"
    if status.kind == "storage":
        return f"failed at frame {status.frames} because it could not write{_because(status)}"
    return f"failed at frame {status.frames}{_because(status)}, tried again"


def _because(status: Status) -> str:
    return f" ({status.error})" if status.error else ""
