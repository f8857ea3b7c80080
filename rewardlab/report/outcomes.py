"""What one run contributes to the statistics: its curve, its final scores, when it reached the thresholds."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rewardlab.records.summary import THRESHOLDS, area_under_curve, can_normalise, first_reached, normalise
from rewardlab.report.reading.run_folder import Run
from rewardlab.report.statistics import FloatArray

COUNTED_STATES = ("finished", "diverged")


@dataclass(frozen=True)
class Reached:
    """When a run reached a threshold, or when it was last looked at if it didn't (then it is censored)."""

    reached: bool
    frames: float
    cpu_seconds: float  # NaN if the run didn't record it


@dataclass(frozen=True)
class Outcome:
    """One run that counts. A diverged run keeps its last evaluation to the end of its budget and reaches nothing."""

    run: Run

    @cached_property
    def frames(self) -> FloatArray:
        """Frames of the evaluations, [E]; for a diverged run the budget is added."""
        frames = self.run.evaluations.frames
        return np.append(frames, float(self.run.budget)) if self._carried else frames

    @cached_property
    def returns(self) -> FloatArray:
        return self._carry(self.run.evaluations.return_mean)

    @cached_property
    def success(self) -> FloatArray:
        """Share of successful episodes, [E]; NaN where the task defines none."""
        return self._carry(self.run.evaluations.success_rate)

    @cached_property
    def normalised(self) -> FloatArray | None:
        """0 is a random policy, 1 an optimal one, [E]; None if the task's anchors are not known."""
        run = self.run
        if not can_normalise(run.random_return, run.optimal_return):
            return None
        assert run.random_return is not None and run.optimal_return is not None
        return normalise(self.returns, run.random_return, run.optimal_return)

    @property
    def final_return(self) -> float:
        return float(self.returns[-1])

    @property
    def final_success(self) -> float:
        return float(self.success[-1])

    @property
    def final_normalised(self) -> float | None:
        return None if self.normalised is None else float(self.normalised[-1])

    def area(self, since: float, until: float) -> float | None:
        """Normalised area under the learning curve between two frames, both within the curve; its mean height there."""
        if (since, until) in self._areas:
            return self._areas[since, until]
        if self.normalised is None:
            return None
        inside = (self.frames > since) & (self.frames < until)
        frames = np.unique([since, *self.frames[inside], max(since, until)])
        area = area_under_curve(frames, np.interp(frames, self.frames, self.normalised))
        self._areas[since, until] = area
        return area

    def reached(self, suffix: str) -> Reached | None:
        """When the run reached the threshold of a column suffix ("50", "90"); None if returns cannot be normalised."""
        if self.normalised is None:
            return None
        if self.run.state == "diverged":
            # It stays at risk for ever: nothing it did before counts, and it must not leave the risk set early.
            return Reached(False, np.inf, np.inf)
        index = first_reached(self.normalised, THRESHOLDS[suffix])
        at = -1 if index is None else index
        return Reached(index is not None, float(self.frames[at]), float(self.run.evaluations.cpu_seconds[at]))

    @cached_property
    def _areas(self) -> dict[tuple[float, float], float]:
        """Areas that were asked for before: several tables show the same."""
        return {}

    @cached_property
    def _carried(self) -> bool:
        frames = self.run.evaluations.frames
        return self.run.state == "diverged" and bool(frames[-1] < self.run.budget)

    def _carry(self, values: FloatArray) -> FloatArray:
        return np.append(values, values[-1]) if self._carried else values


def counts(run: Run) -> bool:
    """Whether a run enters the statistics: it ended by itself and was evaluated at least once."""
    return run.state in COUNTED_STATES and run.evaluations.frames.size > 0
