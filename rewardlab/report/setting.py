"""A setting: all runs of one configuration, which differ in the seed only."""

import re
from dataclasses import dataclass
from functools import cached_property

from rewardlab.report.names import Method
from rewardlab.report.outcomes import Outcome, still_goes
from rewardlab.report.reading.run_folder import Run

# Fields that are no part of a setting: where, on what and how often something is written.
NO_SETTING = re.compile(
    r"(seed|results_dir|device|overwrite|pause_at|skip_invalid|fidelity)$|(logger|checkpoint|hydra|launcher)\b"
)
# How long a run trains and how it is looked at: they distinguish settings, but are no part of a scheme's name.
BUDGET = re.compile(r"(frames|env\.frames|eval\.(every|episodes))$")


@dataclass(frozen=True)
class Setting:
    """All runs of one configuration, whatever became of them."""

    setting_id: str
    env: str
    method: Method
    assumes: tuple[str, ...]
    runs: tuple[Run, ...]
    outcomes: tuple[Outcome, ...]
    shared: bool  # whether another setting has the same labels, so that only the id tells them apart
    rung: str = ""  # budget and cadence ("frames=50000"), where the same method has several in one environment

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that count, in order."""
        return tuple(outcome.run.seed for outcome in self.outcomes)

    @property
    def budget(self) -> int:
        return max(run.budget for run in self.runs)

    @cached_property
    def going(self) -> tuple[Outcome, ...]:
        """Runs that still go (or were killed) and were evaluated: they are shown, and enter no statistic."""
        return tuple(Outcome(run) for run in self.runs if still_goes(run))

    def diverged(self) -> int:
        """Counted runs that diverged."""
        return sum(outcome.run.state == "diverged" for outcome in self.outcomes)
