"""What fits: the memory that jobs take, measured as they run, against what the machine has left."""

from collections.abc import Mapping
from pathlib import Path

GIB = 2**30
_USUAL = 0.7 * GIB  # a job's before one has been seen
_RESERVE = 0.5 * GIB  # for everybody else
_MORE_AFTER_A_KILL = 1.5  # what a job that was killed is expected to take, beside what it was seen to take
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class Memory:
    """Decides whether another job fits. Where the system does not say how much is left, every job does.

    Args:
        per_job: bytes that a job is known to take; None: the most that one of this sweep was seen to take.
    """

    def __init__(self, per_job: float | None = None) -> None:
        self._given = per_job
        self._most_seen = 0.0

    @property
    def per_job(self) -> float:
        """Bytes that the next job is expected to take."""
        return self._given if self._given is not None else self._most_seen or _USUAL

    def see(self, taken: Mapping[int, int | None]) -> None:
        """Take in what running jobs take: bytes by process id."""
        self._most_seen = max(self._most_seen, *(bytes_ or 0.0 for bytes_ in taken.values()), 0.0)

    def expect_more(self) -> None:
        """A job was killed by the kernel, perhaps for what it took: the next ones get more room."""
        self._most_seen = _MORE_AFTER_A_KILL * self.per_job

    def fits(self, taken: Mapping[int, int | None], left: float | None) -> bool:
        """Whether another job fits beside running ones, each of which may still grow to what is expected of a job.

        Args:
            taken: bytes that running jobs take, by process id; None where unknown.
            left: bytes that the machine has left; None where unknown.
        """
        if left is None or not taken:
            return True
        growth = sum(max(0.0, self.per_job - (bytes_ or 0)) for bytes_ in taken.values())
        return left - growth - _RESERVE >= self.per_job


def memory_left() -> float | None:
    """Bytes that can be taken before the system swaps or kills; None where it does not say."""
    machine = _meminfo("MemAvailable")
    group = _group_left()
    known = [found for found in (machine, group) if found is not None]
    return min(known) if known else None


def taken_by(pid: int) -> int | None:
    """Bytes that only this process keeps in memory: what its end would free. None where the system does not say.

    Pages that it shares with the process that it was forked from, or with others that loaded the same libraries, are
    not its own.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    except (OSError, ValueError, IndexError):
        return None


def _meminfo(name: str) -> float | None:
    try:
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _group_left() -> float | None:
    """What a container or a batch job may still take: its limit, less what it takes and could not give back."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").rpartition("::")[2].strip()
        found = None
        folder = _CGROUP / group.lstrip("/")
        for level in (folder, *folder.parents):
            if not level.is_relative_to(_CGROUP):
                break
            file = level / "memory.max"
            limit = file.read_text(encoding="ascii").strip() if file.exists() else ""
            if limit.isdecimal():
                statistics = dict(line.split() for line in (level / "memory.stat").read_text().splitlines())
                taken = float((level / "memory.current").read_text()) - float(statistics.get("inactive_file", 0))
                left = float(limit) - taken
                found = left if found is None else min(found, left)
        return found
    except (OSError, ValueError):
        return None
