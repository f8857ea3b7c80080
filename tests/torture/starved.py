"""File systems that fill up, refuse or vanish under a run, and many writers of one folder."""

import ctypes
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rewardlab.records.store import RunStore
from rewardlab.run import run
from tests.torture import runs

SETTING = "rnd, fast engine"


@dataclass
class Starved:
    """What became of runs on a full disk. `failed` counts those that it stopped."""

    runs: int = 0
    failed: int = 0
    codes: set[int] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)
    lost_checkpoints: int = 0
    differing: list[str] = field(default_factory=list)


def fill_disks(root: Path, kibibytes: list[int]) -> Starved:
    """Run on file systems of so many KiB each, then give them room and run again; compare with an unhindered run."""
    found = Starved()
    unhindered = runs.prepare(SETTING, root / "unhindered")
    assert runs.ended(runs.forked(lambda: run(unhindered), root / "log")) == 0
    for size in kibibytes:
        with small_disk(root / f"disk{size}", size) as disk:
            prepared = runs.prepare(SETTING, disk)
            code = runs.ended(runs.forked(lambda: run(prepared), root / "log"))  # noqa: B023
            found.runs += 1
            found.failed += code != 0
            found.codes.add(code)
            found.unreadable += [f"{size}/{name}" for name in runs.unreadable(prepared.folder)]
            had_one = (prepared.folder / "checkpoint.pt").exists()
            found.lost_checkpoints += had_one and RunStore(prepared.folder).load_checkpoint() is None
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            assert runs.ended(runs.forked(lambda: run(prepared), root / "log")) == 0, (root / "log").read_text()  # noqa: B023
            found.differing += [f"{size}/{name}" for name in runs.differing(prepared.folder, unhindered.folder)]
    return found


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Path]:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def can_mount(root: Path) -> bool:
    try:
        with small_disk(root / "probe", 64):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def remove_while_running(root: Path) -> tuple[int, list[str]]:
    """The exit code of a run whose folder is removed under it, and the files that it wrote afterwards."""
    prepared = runs.prepare(SETTING, root, frames=2_000_000)
    pid = runs.forked(lambda: run(prepared), root / "log")
    wait_for(prepared.folder / "checkpoint.pt")
    prepared.folder.rename(root / "away")  # at once: what is written meanwhile would keep it from being removed
    shutil.rmtree(root / "away", ignore_errors=True)
    code = runs.ended(pid)
    left = sorted(path.name for path in prepared.folder.iterdir()) if prepared.folder.exists() else []
    return code, left


def forbid_while_running(root: Path) -> tuple[int, str, bool]:
    """The exit code of a run whose folder becomes read-only under it, what it said, whether its checkpoint loads."""
    prepared = runs.prepare(SETTING, root / "results", frames=2_000_000)

    def work() -> int:
        if os.getuid() == 0:
            _obey_permissions()
        return run(prepared)

    pid = runs.forked(work, root / "log")
    wait_for(prepared.folder / "checkpoint.pt")
    prepared.folder.chmod(0o555)
    code = runs.ended(pid)
    prepared.folder.chmod(0o755)
    loads = RunStore(prepared.folder).load_checkpoint() is not None
    return code, (root / "log").read_text(), loads


def _obey_permissions() -> None:
    """Give up what lets root (on Linux) write where nobody may: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the call, this process
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice 32 bits of each
    if libc.capget(header, sets) == 0:
        sets[0] &= ~0b110
        if libc.capset(header, sets) == 0:
            return
    raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


@dataclass
class Crowd:
    """What became of several processes that were told to do the same run."""

    codes: list[int]
    trained: int
    continued: int
    differing: list[str]


def crowd(root: Path, writers: int) -> Crowd:
    """Start `writers` processes on one run at once."""
    alone = runs.prepare(SETTING, root / "alone")
    assert runs.ended(runs.forked(lambda: run(alone), root / "log")) == 0
    prepared = runs.prepare(SETTING, root / "crowded")
    pids = [runs.forked(lambda: run(prepared), root / f"log{number}") for number in range(writers)]
    codes = [runs.ended(pid) for pid in pids]
    said = [(root / f"log{number}").read_text() for number in range(writers)]
    manifest = json.loads((prepared.folder / "manifest.json").read_text())
    return Crowd(
        codes,
        sum(text.rstrip().endswith(": finished") for text in said),
        len(manifest.get("continuations", [])),
        runs.differing(prepared.folder, alone.folder),
    )


def wait_for(path: Path, seconds: float = 120.0) -> None:
    give_up = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < give_up, f"no {path}"
        time.sleep(0.01)
