"""What `hydra.launcher` says of a sweep on this machine. Nothing heavy is imported: Hydra loads it with every run."""

import sys
from dataclasses import dataclass

from rewardlab.errors import UserError, unknown
from rewardlab.sweep.command import slots

FORKS = sys.platform.startswith("linux")  # whether the system can hand a child process over to another parent
_STARTS = ("fork", "spawn")


@dataclass
class PoolOptions:
    """How a sweep uses this machine.

    jobs: how many run at once; null = one for each core that this process may use.
    retries: how often a failed job is started again, from its checkpoint, after all others.
    fail_fast: whether the first job that fails for good ends the sweep.
    memory_gib: what one job takes; null = as much as the largest seen in this sweep. None is started that does not fit.
    start: fork = jobs come from one warm process that has imported everything and share its memory, on Linux only;
        spawn = each in a fresh interpreter.
    """

    jobs: int | None = None
    retries: int = 1
    fail_fast: bool = False
    memory_gib: float | None = None
    start: str = "fork" if FORKS else "spawn"

    def check(self) -> None:
        """Raises:
        UserError: a value makes no sense.
        """
        slots(self.jobs)
        if self.retries < 0:
            raise UserError(f"hydra.launcher.retries={self.retries}: must be at least 0")
        if self.memory_gib is not None and not self.memory_gib > 0:
            raise UserError(f"hydra.launcher.memory_gib={self.memory_gib}: must be greater than 0")
        if self.start not in _STARTS:
            raise unknown("hydra.launcher.start", self.start, _STARTS, "way to start jobs")
        if self.start == "fork" and not FORKS:
            raise UserError("hydra.launcher.start=fork: only on Linux; use spawn")
