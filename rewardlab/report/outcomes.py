"""What one run contributes to the statistics: its curve, its late scores, when it reached the thresholds."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rewardlab.records.summary import (
    area_under_curve,
    can_normalise,
    first_reached,
    late_evaluations,
    normalise,
    whole_curve,
)
from rewardlab.report.reading.run_folder import COUNTED_STATES, Run
from rewardlab.report.statistics import FloatArray


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

    @property
    def evaluated(self) -> FloatArray:
        """Frames of the evaluations, [E]."""
        return self.run.evaluations.frames

    @cached_property
    def end(self) -> float:
        """Where its curves end: at its budget, though the last iteration that fits may end a little earlier."""
        return max(float(self.evaluated[-1]), float(self.run.budget))

    @property
    def returns(self) -> FloatArray:
        return self.run.evaluations.return_mean

    @property
    def success(self) -> FloatArray:
        """Share of successful episodes, [E]; NaN where the task defines none."""
        return self.run.evaluations.success_rate

    @cached_property
    def normalised(self) -> FloatArray | None:
        """0 is a random policy, 1 an optimal one, [E]; None if the task's anchors are not known."""
        run = self.run
        if not can_normalise(run.random_return, run.optimal_return):
            return None
        assert run.random_return is not None and run.optimal_return is not None
        return normalise(self.returns, run.random_return, run.optimal_return)

    @cached_property
    def human(self) -> FloatArray | None:
        """0 is the published random play, 1 a human, [E]; None where nothing is published."""
        run = self.run
        if not can_normalise(run.human_random, run.human_return):
            return None
        assert run.human_random is not None and run.human_return is not None
        return normalise(self.returns, run.human_random, run.human_return)

    @property
    def late_human(self) -> float | None:
        return None if self.human is None else self.late(self.human)

    def return_area(self, start: float, until: float) -> float:
        """Mean height of the curve of the task's own return between two frames: for tasks without a known optimum."""
        frames, values = self.evaluated, self.returns
        inside = np.unique([start, *frames[(frames > start) & (frames < until)], until])
        return area_under_curve(inside, np.interp(inside, frames, values))

    @property
    def late_return(self) -> float:
        """As `late_evaluations` counts the last evaluations."""
        return self.late(self.returns)

    @property
    def late_success(self) -> float:
        return self.late(self.success)

    def late(self, numbers: FloatArray) -> float:
        """Mean of the last tenth of the evaluations of what they measured, [E]."""
        return float(numbers[-self._late :].mean())

    @property
    def late_normalised(self) -> float | None:
        return None if self.normalised is None else float(self.normalised[-self._late :].mean())

    @cached_property
    def curve(self) -> tuple[FloatArray, FloatArray] | None:
        """Frames and normalised return from frame 0 to the end, as `whole_curve` has them; None if not normalised."""
        return None if self.normalised is None else whole_curve(self.evaluated, self.normalised, self.end)

    def area(self, until: float) -> float | None:
        """Normalised area under the learning curve from frame 0 on, to a frame within it; its mean height there."""
        if until in self._areas:
            return self._areas[until]
        if self.curve is None:
            return None
        frames, values = self.curve
        inside = np.unique([*frames[frames < until], until])
        area = area_under_curve(inside, np.interp(inside, frames, values))
        self._areas[until] = area
        return area

    def reached(self, threshold: float) -> Reached | None:
        """When the run reached a normalised return; None if returns cannot be normalised."""
        if self.normalised is None:
            return None
        if self.run.state == "diverged":
            # It stays at risk for ever: nothing it did before counts, and it must not leave the risk set early.
            return Reached(False, np.inf, np.inf)
        index = first_reached(self.normalised, threshold)
        at = -1 if index is None else index
        return Reached(index is not None, float(self.evaluated[at]), float(self.run.evaluations.cpu_seconds[at]))

    @cached_property
    def _areas(self) -> dict[float, float]:
        """Areas that were asked for before: several tables show the same."""
        return {}

    @property
    def _late(self) -> int:
        # What a diverged run keeps to the end of its budget is its last evaluation.
        return 1 if self.run.state == "diverged" else late_evaluations(self.evaluated.size)


def counts(run: Run) -> bool:
    """Whether a run enters the statistics: it ended by itself and was evaluated at least once."""
    return run.state in COUNTED_STATES and run.evaluations.frames.size > 0


def still_goes(run: Run) -> bool:
    """Whether a run is under way, by its own word, and was evaluated at least once; one that was killed says so too."""
    return run.state == "running" and run.evaluations.frames.size > 0
