"""`status.json`: where a run stands."""

import errno
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from rewardlab.errors import one_line, placed
from rewardlab.records.files import now, read_json, write_json

STATES = ("finished", "diverged", "running", "paused", "interrupted", "failed")  # in the order in which they are told
KINDS = ("error", "storage", "killed", "damaged")  # what made a failed run fail
_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.EROFS)
_STORAGE_ERRORS_INSIDE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM)  # about the run's own files


@dataclass(frozen=True)
class Status:
    """State of a run after `frames` training frames. `error` is one line; `kind` says what made a failed run fail."""

    state: str
    frames: int
    error: str | None
    updated_at: str
    kind: str | None = None


def write_status(
    folder: Path, state: str, frames: int, error: str | BaseException | None = None, kind: str | None = None
) -> None:
    """Write `status.json` atomically.

    Args:
        state: one of STATES.
        frames: training frames so far.
        error: what went wrong; an exception is shown as its place, type and message, in one line.
        kind: one of KINDS; by default taken from the exception, for a failed run.

    Raises:
        ValueError: an unknown state or kind.
    """
    if state not in STATES:
        raise ValueError(f"state {state!r}: allowed are {', '.join(STATES)}")
    if state == "failed" and kind is None:
        kind = failure_kind(error, folder) if isinstance(error, BaseException) else "error"
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind {kind!r}: allowed are {', '.join(KINDS)}")
    if isinstance(error, BaseException):
        error = placed(error)
    text = None if error is None else one_line(error)
    write_json(folder / "status.json", asdict(Status(state, int(frames), text, now(), kind)))


def read_status(folder: Path) -> tuple[Status | None, str]:
    """Read `status.json`, whoever wrote it.

    Returns:
        The status and an empty text, or None and one line that says why there is none.
    """
    value, reason = read_json(folder / "status.json")
    if value is None:
        return None, reason
    state, frames = value.get("state"), value.get("frames")
    if state not in STATES:
        return None, f"status.json: unknown state {one_line(repr(state), 60)}"
    if isinstance(frames, bool) or not isinstance(frames, int) or frames < 0:
        return None, f"status.json: frames is {one_line(repr(frames), 60)}"
    error, updated_at, kind = value.get("error"), value.get("updated_at"), value.get("kind")
    return Status(
        state=str(state),
        frames=frames,
        error=one_line(error) if isinstance(error, str) else None,
        updated_at=one_line(updated_at, 60) if isinstance(updated_at, str) else "",
        kind=kind if kind in KINDS else None,
    ), ""


def failure_kind(error: BaseException, folder: Path) -> str:
    """`storage` where the disk refused (full, over quota, gone, not ours), `error` otherwise; causes count too."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and (cause.errno in _STORAGE_ERRORS or _refused_inside(cause, folder)):
            return "storage"
        cause = cause.__cause__ or cause.__context__
    return "error"


def _refused_inside(error: OSError, folder: Path) -> bool:
    named = isinstance(error.filename, (str, os.PathLike))
    return named and error.errno in _STORAGE_ERRORS_INSIDE and Path(error.filename).is_relative_to(folder)
