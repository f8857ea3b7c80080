"""By how much schemes differ from their baseline: per environment, and over all that are shared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.report.comparison import Comparison, Method
from rewardlab.report.outcomes import Outcome
from rewardlab.report.statistics import (
    Estimate,
    FloatArray,
    difference,
    generator,
    improvement_estimate,
    pooled_interquartile_mean,
)
from rewardlab.report.tables.aggregate import Aggregate


@dataclass(frozen=True)
class DifferenceRow:
    """One scheme against its baseline; differences of interquartile means, positive where the scheme is ahead.

    Attributes:
        env: the environment; empty for all shared environments together.
        n_seeds, n_baseline: runs on either side (over all environments in a row for all).
        paired: whether runs of equal seed were compared with each other; then the two counts are equal.
        improvement: probability that a run ends higher than one of the baseline.
    """

    env: str
    method: Method
    name: str
    baseline: str
    n_seeds: int
    n_baseline: int
    paired: bool
    auc: Estimate
    final_normalised: Estimate
    final_return: Estimate
    final_success: Estimate
    improvement: Estimate


def differences(
    comparison: Comparison, aggregated: Aggregate, baselines: Mapping[Method, Method], *, paired: bool = False
) -> list[DifferenceRow]:
    """Rows by environment, those over all shared environments first.

    Args:
        comparison: all runs.
        aggregated: which environments are shared.
        baselines: scheme -> what it is compared with.
        paired: compare runs of equal seed only, and redraw them together: noise that comes with the seed cancels.
    """
    rows = []
    if len(aggregated.envs) > 1:
        rows += [_row(comparison, method, other, aggregated.envs, "", paired) for method, other in baselines.items()]
    for env in comparison.envs:
        rows += [_row(comparison, method, other, [env], env, paired) for method, other in baselines.items()]
    return [row for row in rows if row is not None]


def _row(
    comparison: Comparison, method: Method, other: Method, envs: Sequence[str], env: str, paired: bool
) -> DifferenceRow | None:
    found = [(comparison.find(method, each), comparison.find(other, each)) for each in envs]
    sides = [(a.outcomes, b.outcomes) for a, b in found if a is not None and b is not None]
    if paired:
        sides = [_pairs(*side) for side in sides]
    if len(sides) < len(envs) or not all(first and second for first, second in sides):
        return None
    name = comparison.name(method)

    def values(side: int, what: str) -> list[FloatArray] | None:
        tasks = [
            [_value(outcome, what, comparison.common_range(each)) for outcome in both[side]]
            for each, both in zip(envs, sides, strict=True)
        ]
        if any(value is None or not np.isfinite(value) for task in tasks for value in task):
            return None
        return [np.array(task, dtype=np.float64) for task in tasks]

    def compare(what: str) -> Estimate:
        first, second = values(0, what), values(1, what)
        if first is None or second is None:
            return Estimate()
        rng = generator(env, name, "difference", what)
        return difference(first, second, pooled_interquartile_mean, rng, paired=paired)

    finals = "final_normalised" if env == "" else "final_return"
    first, second = values(0, finals), values(1, finals)
    improvement = Estimate()
    if first is not None and second is not None:
        improvement = improvement_estimate(first, second, generator(env, name, "difference", "improvement"))
    return DifferenceRow(
        env=env,
        method=method,
        name=name,
        baseline=comparison.name(other),
        n_seeds=sum(len(first) for first, _ in sides),
        n_baseline=sum(len(second) for _, second in sides),
        paired=paired,
        auc=compare("auc"),
        final_normalised=compare("final_normalised"),
        final_return=compare("final_return") if env else Estimate(),
        final_success=compare("final_success"),
        improvement=improvement,
    )


def _pairs(first: Sequence[Outcome], second: Sequence[Outcome]) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]]:
    """The runs of both sides whose seeds both have, in the order of the seeds."""
    ours, theirs = ({outcome.run.seed: outcome for outcome in side} for side in (first, second))
    both = sorted(ours.keys() & theirs.keys())
    return tuple(ours[seed] for seed in both), tuple(theirs[seed] for seed in both)


def _value(outcome: Outcome, what: str, common: tuple[float, float]) -> float | None:
    value = outcome.area(*common) if what == "auc" else getattr(outcome, what)
    return None if value is None else float(value)
