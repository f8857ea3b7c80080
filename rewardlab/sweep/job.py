"""One job of a sweep, and what became of it."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# In the order of the final table: what needs attention stands last, next to the totals.
STATES = ("skipped", "finished", "continued", "paused", "left", "not started", "interrupted", "diverged", "failed")
MISSING = ("left", "not started", "interrupted", "failed")  # no result yet


@dataclass(frozen=True)
class Job:
    """A run to be done.

    number: its place in the sweep, from 0.
    label: names it in lines and tables.
    folder: the run's.
    frames: its budget.
    command: what to execute.
    shown: the same as a user would type it.
    pause_at: training frames that it is to come to for now; None: all.
    code: hashes of what it would be made by.
    kind: names what it imports; empty where that is code of the user's own, or would open a GPU.
    """

    number: int
    label: str
    folder: Path
    frames: int
    command: tuple[str, ...]
    shown: str
    overwrite: bool = False
    pause_at: int | None = None
    code: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""

    @property
    def arguments(self) -> list[str]:
        """Of its `rewardlab`."""
        return shlex.split(self.shown)[1:]

    @property
    def log_name(self) -> str:
        """As in `3-doorkey_5x5_rnd_ppo_seed0.log`."""
        return f"{self.number}-{re.sub(r'[^A-Za-z0-9._=+-]+', '_', self.label)[:150]}.log"


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    state: one of STATES.
    seconds: how long its process ran; None where none was started.
    detail: the reason, or the last error line.
    """

    number: int
    label: str
    state: str
    folder: Path | None = None
    seconds: float | None = None
    detail: str = ""
    log: Path | None = None
    exit_code: int | None = None
