"""The table at the end of a sweep: what became of every job, and where its log is."""

import os
from collections.abc import Sequence
from pathlib import Path

from rewardlab.sweep.job import STATES, Outcome
from rewardlab.sweep.result import SweepResult

_LONGEST_DETAIL = 160  # characters; the log has the rest
_WITH_LOG = ("failed", "diverged", "interrupted")
_HEADINGS = ("job", "outcome", "time", "run", "why")


def outcome_table(result: SweepResult, seconds: float, rerun: str = "") -> str:
    """All jobs by outcome, those that need attention last, a line of totals, and what to do about the rest.

    Args:
        seconds: how long the sweep took.
        rerun: the command that does what is missing; empty where nothing is.
    """
    ordered = sorted(result.outcomes, key=lambda outcome: (STATES.index(outcome.state), outcome.number))
    rows = [_HEADINGS, *(_row(outcome) for outcome in ordered)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]
    advice = ["", "what is missing, and only that:", f"  {rerun}"] if rerun else []
    return "\n".join([*lines, "", totals(result, seconds), *advice])


def totals(result: SweepResult, seconds: float) -> str:
    """One line: how many jobs ended how."""
    counts = ", ".join(f"{count} {state}" for state, count in result.counts.items())
    jobs = len(result.outcomes)
    return f"{jobs} job{'s' * (jobs != 1)} in {clock(seconds)}: {counts or 'nothing to do'}"


def clock(seconds: float | None) -> str:
    """A duration in hours, minutes and seconds: 2:03:04, 3:04, 0:04; empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _row(outcome: Outcome) -> Sequence[str]:
    detail = outcome.detail.partition(": ")[0] if outcome.state == "skipped" else outcome.detail
    if len(detail) > _LONGEST_DETAIL:
        detail = f"{detail[: _LONGEST_DETAIL - 1]}…"
    if outcome.log is not None and outcome.state in _WITH_LOG:
        detail = f"{detail}  log: {_short(outcome.log)}".strip()
    return str(outcome.number), outcome.state, clock(outcome.seconds), outcome.label, detail


def _short(path: Path) -> str:
    """The path from here where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
