"""`differences`: by how much methods differ from their baseline, per environment and over all that are shared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rewardlab.report.comparison import Comparison
from rewardlab.report.names import Method
from rewardlab.report.numbers import plural, signed
from rewardlab.report.outcomes import Outcome
from rewardlab.report.statistics import (
    Estimate,
    FloatArray,
    bootstrap,
    generator,
    pooled_interquartile_mean,
    probability_of_improvement,
)
from rewardlab.report.tables.aggregate import Aggregate
from rewardlab.report.tables.columns import Column, Filled, Kind, Table
from rewardlab.report.tables.labels import label_columns


@dataclass(frozen=True)
class Contrast:
    """One method against its baseline: what a row of the table stands for. Positive where the method is ahead."""

    comparison: Comparison
    method: Method
    baseline: str
    env: str  # the environment; empty for all shared environments together
    envs: tuple[str, ...]  # the environments that it is over
    # runs of the method and of the baseline in each of them
    sides: tuple[tuple[tuple[Outcome, ...], tuple[Outcome, ...]], ...]
    paired: bool  # whether runs of equal seed are compared with each other

    @property
    def name(self) -> str:
        return self.comparison.name(self.method)

    def runs(self, side: int) -> int:
        """How many runs there are on a side, over all environments."""
        return sum(len(both[side]) for both in self.sides)

    def values(self, side: int, what: str) -> list[FloatArray] | None:
        """One number of every run, an array per environment; None if a run doesn't have it."""
        tasks = [
            [_value(outcome, what, self.comparison.common_end(env)) for outcome in both[side]]
            for env, both in zip(self.envs, self.sides, strict=True)
        ]
        if any(value is None or not np.isfinite(value) for task in tasks for value in task):
            return None
        return [np.array(task, dtype=np.float64) for task in tasks]

    @cached_property
    def changes(self) -> dict[str, Estimate | None]:
        """Differences of interquartile means by the number of the runs that they are of; None without it."""
        numbers = ("auc", "late_normalised", "late_return", "late_success")
        return {what: self._compared(what, what, _iqm_difference, self.paired) for what in numbers}

    def improvement(self) -> Estimate | None:
        """How likely a run ends higher than one of the baseline."""
        what = "late_return" if self.env else "late_normalised"
        return self._compared(what, "improvement", probability_of_improvement, False)

    def _compared(self, what: str, purpose: str, statistic: Callable[..., FloatArray], paired: bool) -> Estimate | None:
        first, second = self.values(0, what), self.values(1, what)
        if first is None or second is None:
            return None
        return bootstrap(
            (first, second), statistic, generator(self.env, self.name, "difference", purpose), paired=paired
        )


def _notes(filled: Filled) -> list[str]:
    first = (
        "Differences of interquartile means, scheme minus baseline, in normalised return (late return where the "
        "optimum is not known). In brackets: 95 % bootstrap intervals; bold: zero is not inside. P(better): a run of "
        "the scheme ends higher than one of the baseline."
    )
    paired = any(row.source.paired for row in filled)
    return [first, *(["Paired: only seeds that both have, redrawn together."] if paired else [])]


def _seeds(row: Contrast) -> str:
    return plural(row.runs(0), "pair") if row.paired else f"{row.runs(0)} / {row.runs(1)}"


DIFFERENCES = Table(
    "differences",
    "a row per scheme and environment (empty: all shared ones together) against its baseline",
    (
        Column("env", Kind.TEXT, lambda row: row.env, "label of the environment; empty: all shared ones together",
               title="environment", blank="all shared"),
        Column("method", Kind.METHOD, lambda row: row.name, title="scheme", written=False),
        *label_columns(lambda row: row.method),
        Column("baseline", Kind.METHOD, lambda row: row.baseline, "what the scheme is compared with", title="baseline"),
        Column("paired", Kind.FLAG, lambda row: row.paired,
               "whether only seeds that both have were taken, redrawn together"),
        Column("n_seeds", Kind.COUNT, lambda row: row.runs(0), "runs of the scheme"),
        Column("n_baseline", Kind.COUNT, lambda row: row.runs(1), "runs of the baseline"),
        Column("seeds", Kind.TEXT, _seeds, title="seeds", written=False),
        Column("auc_difference", Kind.CHANGE, lambda row: row.changes["auc"],
               "area, scheme minus baseline, of interquartile means", title="area", form=signed),
        Column("score_difference", Kind.CHANGE,
               lambda row: row.changes["late_normalised"] or row.changes["late_return"],
               title="late score", form=signed, written=False),
        Column("late_normalised_difference", Kind.CHANGE, lambda row: row.changes["late_normalised"],
               "the same of the late normalised return"),
        Column("late_return_difference", Kind.CHANGE, lambda row: row.changes["late_return"] if row.env else None,
               "the same of the late return"),
        Column("late_success_difference", Kind.CHANGE, lambda row: row.changes["late_success"],
               "the same of the late share of successful episodes", title="late success", form=signed),
        Column("probability_of_improvement", Kind.ESTIMATE, lambda row: row.improvement(),
               "how likely a run ends higher than one of the baseline", title="P(better)"),
    ),
    names=3,
    notes=_notes,
)  # fmt: skip


def differences(
    comparison: Comparison, aggregated: Aggregate, baselines: Mapping[Method, Method], *, paired: bool = False
) -> Filled:
    """Rows by environment, those over all shared environments first.

    With `paired` only runs of equal seed are compared, and redrawn together: noise that comes with the seed cancels.
    """
    stretches = [("", aggregated.envs)] if len(aggregated.envs) > 1 else []
    stretches += [(env, [env]) for env in comparison.envs]
    found = [
        _contrast(comparison, method, other, env, tuple(envs), paired)
        for env, envs in stretches
        for method, other in baselines.items()
    ]
    return DIFFERENCES.fill(contrast for contrast in found if contrast is not None)


def _contrast(
    comparison: Comparison, method: Method, other: Method, env: str, envs: tuple[str, ...], paired: bool
) -> Contrast | None:
    found = [(comparison.find(method, each), comparison.find(other, each)) for each in envs]
    sides = [(a.outcomes, b.outcomes) for a, b in found if a is not None and b is not None]
    if paired:
        sides = [_pairs(*side) for side in sides]
    if len(sides) < len(envs) or not all(first and second for first, second in sides):
        return None
    return Contrast(comparison, method, comparison.name(other), env, envs, tuple(sides), paired)


def _pairs(first: Sequence[Outcome], second: Sequence[Outcome]) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]]:
    """The runs of both sides whose seeds both have, in the order of the seeds."""
    ours, theirs = ({outcome.run.seed: outcome for outcome in side} for side in (first, second))
    both = sorted(ours.keys() & theirs.keys())
    return tuple(ours[seed] for seed in both), tuple(theirs[seed] for seed in both)


def _iqm_difference(first: Sequence[FloatArray], second: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(pooled_interquartile_mean(first) - pooled_interquartile_mean(second))


def _value(outcome: Outcome, what: str, common_end: float) -> float | None:
    value = outcome.area(common_end) if what == "auc" else getattr(outcome, what)
    return None if value is None else float(value)
