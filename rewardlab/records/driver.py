"""`sweep.json` beside a lock: which runs a sweep is to do, and whether the process that does it lives."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rewardlab import starting
from rewardlab.records.files import read_json, write_json
from rewardlab.records.lock import LOCK, Locked, Owner, hold, live_owner

SWEEP = "sweep.json"
_AT_THE_START = {"multirun.yaml", SWEEP, LOCK}  # what a sweep's folder holds before its first job's log


@dataclass(frozen=True)
class AtWork:
    """A sweep whose driver lives.

    runs: the folders of the runs that it is to do, whether there or not.
    """

    folder: Path
    owner: Owner
    runs: tuple[str, ...]


@contextlib.contextmanager
def driving(folder: Path, runs: Sequence[Path]) -> Iterator[None]:
    """Hold a sweep's folder while its jobs are done, and name their runs there.

    A batch of a sweep adds its runs to those of the batches before. Whatever the disk refuses is no reason to fail.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, Locked):
            folder.mkdir(parents=True, exist_ok=True)
            starting.undo(lambda: _take_back(folder))
            # No thread: Linux tells a process of its parent's death once for each thread that ends, and the second
            # SIGTERM would end a job at once.
            stack.enter_context(hold(folder, heartbeat=False))
            before = _names(folder)
            write_json(folder / SWEEP, {"runs": [*before, *(os.path.relpath(run, folder) for run in runs)]})
        yield


def at_work(folder: Path) -> AtWork | None:
    """The sweep of a folder, whoever wrote it; None where there is none, or no process drives it any more."""
    owner = live_owner(folder)
    if owner is None or not (folder / SWEEP).is_file():
        return None
    return AtWork(folder, owner, tuple(os.path.abspath(folder / name) for name in _names(folder)))


def _names(folder: Path) -> list[str]:
    found = (read_json(folder / SWEEP)[0] or {}).get("runs")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _take_back(folder: Path) -> None:
    """As long as no job has been started."""
    if {path.name for path in folder.iterdir()} <= _AT_THE_START:
        for name in (SWEEP, LOCK):
            (folder / name).unlink(missing_ok=True)
