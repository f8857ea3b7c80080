"""What the last sweep of this process came to, for whoever started it and now has only Hydra's silence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rewardlab.sweep.job import STATES, Outcome


@dataclass(frozen=True)
class SweepResult:
    """outcomes: one for each job, in the sweep's order. signal_number: the signal that ended the sweep, if one did."""

    outcomes: tuple[Outcome, ...]
    signal_number: int | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs ended in each state that occurs, in the order of STATES."""
        counted = Counter(outcome.state for outcome in self.outcomes)
        return {state: counted[state] for state in STATES if counted[state]}

    @property
    def exit_code(self) -> int:
        """0; 1 where a run failed or diverged; 128 + signal number where a signal ended the sweep or a run of it."""
        if self.signal_number is not None:
            return 128 + self.signal_number
        if self.counts.keys() & {"failed", "diverged"}:
            return 1
        return max((_signal_code(outcome) for outcome in self.outcomes if outcome.state == "interrupted"), default=0)


def last_result() -> SweepResult | None:
    """The result of the sweep that this process ran, over all its batches; None if it ran none."""
    return _last


def remember(outcomes: Sequence[Outcome], signal_number: int | None) -> None:
    """Add a batch of the sweep: a sweeper may hand out its jobs in several."""
    global _last
    before = _last.outcomes if _last is not None else ()
    _last = SweepResult((*before, *outcomes), signal_number)


def forget() -> None:
    """Begin anew: for processes that run several sweeps."""
    global _last
    _last = None


_last: SweepResult | None = None


def _signal_code(outcome: Outcome) -> int:
    code = outcome.exit_code or 1
    return 128 - code if code < 0 else code
