"""Schemes over all environments that they share: aggregate scores, profiles, and who is ahead of whom."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rewardlab.report import statistics
from rewardlab.report.comparison import Comparison, Method, Setting
from rewardlab.report.statistics import Estimate, FloatArray, estimate, generator, improvement_estimate

PROFILE_GRID = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class AggregateRow:
    """One scheme over the shared environments; scores are final normalised returns, `auc` the area of the curves.

    Attributes:
        n_runs: runs over all shared environments.
        n_seeds: the smallest number of seeds in any of them.
        improvement: probability that a run beats one of the baseline on the same task.
        baseline: name of the baseline, empty if there is none (or this is it).
        scores, areas: the values behind it, one array per environment.
    """

    method: Method
    name: str
    assumes: tuple[str, ...]
    n_runs: int
    n_seeds: int
    iqm: Estimate
    median: Estimate
    mean: Estimate
    optimality_gap: Estimate
    auc: Estimate
    improvement: Estimate
    baseline: str
    scores: list[FloatArray]
    areas: list[FloatArray]


@dataclass(frozen=True)
class Aggregate:
    """The table, and what it is made over.

    Attributes:
        envs: environments that all rows share.
        left_out: other environments -> why they don't count.
    """

    rows: list[AggregateRow]
    envs: list[str]
    left_out: dict[str, str]

    def groups(self) -> dict[tuple[str, ...], list[AggregateRow]]:
        """Rows by what they assume, fewest assumptions first: only within a group are they ranked."""
        keys = sorted({row.assumes for row in self.rows}, key=lambda key: (len(key), key))
        return {key: [row for row in self.rows if row.assumes == key] for key in keys}


def aggregate(comparison: Comparison, baselines: Mapping[Method, Method]) -> Aggregate:
    """Aggregates every scheme with counted runs over the environments that all of them share.

    Args:
        comparison: all runs.
        baselines: scheme -> what it is compared with.
    """
    table: dict[Method, dict[str, Setting]] = {}
    for setting in comparison.settings:
        if setting.outcomes:
            table.setdefault(setting.method, {})[setting.env] = setting
    envs: list[str] = []
    left_out: dict[str, str] = {}
    for env in comparison.envs:
        absent = [
            comparison.name(method) for method in comparison.methods if method in table and env not in table[method]
        ]
        present = [settings[env] for settings in table.values() if env in settings]
        if not present:
            left_out[env] = "no finished run"
        elif any(outcome.normalised is None for setting in present for outcome in setting.outcomes):
            left_out[env] = "its optimum is not known, so returns cannot be normalised"
        elif absent:
            left_out[env] = f"no finished run of {', '.join(absent)}"
        else:
            envs.append(env)
    if not envs:
        return Aggregate([], [], left_out)
    chosen = {method: [settings[env] for env in envs] for method, settings in table.items()}
    scores = {method: _scores(settings) for method, settings in chosen.items()}
    rows = [
        _row(comparison, method, settings, scores, envs, baselines.get(method)) for method, settings in chosen.items()
    ]
    rows.sort(key=lambda row: (len(row.assumes), row.assumes, -(row.auc.value or 0.0), row.name))
    return Aggregate(rows, envs, left_out)


def lead(first: AggregateRow, second: AggregateRow, what: str = "areas") -> float:
    """Share of stratified-bootstrap resamples in which one row's interquartile mean is above another's.

    Args:
        first: the row said to be ahead.
        second: the other.
        what: "areas" (learns faster) or "scores" (ends higher).

    Returns:
        A share in [0, 1], ties counting half.
    """
    rng = generator("lead", what, first.name, second.name)
    a, b = (
        statistics.pooled_interquartile_mean(statistics.resample(getattr(row, what), rng)) for row in (first, second)
    )
    return float(np.mean((a > b) + 0.5 * (a == b)))


def _row(
    comparison: Comparison,
    method: Method,
    settings: list[Setting],
    scores: dict[Method, list[FloatArray]],
    envs: list[str],
    baseline: Method | None,
) -> AggregateRow:
    own = scores[method]
    areas = [
        np.array([outcome.area(*comparison.common_range(env)) or 0.0 for outcome in setting.outcomes])
        for env, setting in zip(envs, settings, strict=True)
    ]
    name = comparison.name(method)
    improvement = Estimate()
    if baseline in scores:
        improvement = improvement_estimate(own, scores[baseline], generator(name, "improvement"))
    return AggregateRow(
        method=method,
        name=name,
        assumes=tuple(sorted({item for setting in settings for item in setting.assumes})),
        n_runs=sum(score.size for score in own),
        n_seeds=min(score.size for score in own),
        iqm=estimate(own, statistics.pooled_interquartile_mean, generator(name, "iqm")),
        median=estimate(own, statistics.median_over_tasks, generator(name, "median")),
        mean=estimate(own, statistics.mean_over_tasks, generator(name, "mean")),
        optimality_gap=estimate(own, statistics.optimality_gap, generator(name, "gap")),
        auc=estimate(areas, statistics.pooled_interquartile_mean, generator(name, "auc")),
        improvement=improvement,
        baseline=comparison.name(baseline) if baseline in scores else "",
        scores=own,
        areas=areas,
    )


def _scores(settings: list[Setting]) -> list[FloatArray]:
    return [np.array([outcome.final_normalised for outcome in s.outcomes], dtype=np.float64) for s in settings]
