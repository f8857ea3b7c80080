"""The few statistics of the report, as pure vectorised functions with a seeded generator.

Scores come as one array per task, with the runs (seeds) in the last axis and any leading axes for resamples:
`tasks[t]` has shape [..., n_t], and seeds need not be equally many. Conventions follow Agarwal et al., "Deep
Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021 (rliable).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Statistic = Callable[[Sequence[FloatArray]], FloatArray]

RESAMPLES = 2000
LEVEL = 0.95
COVERED: dict[int, tuple[float, float]] = {
    2: (0.43, 0.49), 3: (0.64, 0.75), 4: (0.78, 0.87), 5: (0.81, 0.90), 10: (0.93, 0.94), 20: (0.93, 0.94),
}  # fmt: skip
"""Seeds -> in what share of simulated studies the 95 % interval of one task's IQM holds the true one, from the worst
distribution to the best (scripts/interval_coverage.py; percentile intervals of few runs are too narrow)."""


class Estimate(NamedTuple):
    """A point estimate and the ends of its interval; None where a number cannot be had."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


def generator(*names: str) -> np.random.Generator:
    """A generator seeded by what it is used for: another scheme in the folder moves nobody else's interval."""
    return np.random.default_rng([2021, *(crc32(name.encode()) for name in names)])


def coverage(seeds: int) -> tuple[float, float]:
    """What a 95 % interval of that many seeds really covers: the entry of `COVERED` at or below, 2 seeds at least."""
    return COVERED[max((known for known in COVERED if known <= seeds), default=min(COVERED))]


def interquartile_mean(values: FloatArray) -> FloatArray:
    """Mean of the middle half: a quarter of the runs, rounded down, is cut at either end.

    Args:
        values: scores, [..., n] with n >= 1.

    Returns:
        The interquartile mean over the last axis, [...].

    Source:
        `scipy.stats.trim_mean(values, 0.25)`, as rliable has it.
    """
    count = values.shape[-1]
    cut = count // 4
    kept: FloatArray = np.sort(values, axis=-1)[..., cut : count - cut]
    return np.asarray(kept.mean(axis=-1))


def pooled_interquartile_mean(tasks: Sequence[FloatArray]) -> FloatArray:
    """Interquartile mean over the pooled runs x tasks, [...]."""
    return interquartile_mean(np.concatenate(list(tasks), axis=-1))


def mean_over_tasks(tasks: Sequence[FloatArray]) -> FloatArray:
    """Mean over the per-task means, [...]: every task counts alike, however many seeds it has."""
    return np.asarray(_task_means(tasks).mean(axis=-1))


def median_over_tasks(tasks: Sequence[FloatArray]) -> FloatArray:
    """Median over the per-task means, [...]."""
    return np.asarray(np.median(_task_means(tasks), axis=-1))


def optimality_gap(tasks: Sequence[FloatArray], target: float = 1.0) -> FloatArray:
    """How far runs fall short of a target on average, [...]; scores beyond the target earn nothing."""
    return np.asarray(target - _task_means([np.minimum(task, target) for task in tasks]).mean(axis=-1))


def performance_profile(tasks: Sequence[FloatArray], thresholds: FloatArray) -> FloatArray:
    """Share of the pooled runs that score above each threshold.

    Args:
        tasks: one array of scores per task, [..., n_t].
        thresholds: scores, [K].

    Returns:
        Shares in [0, 1], [..., K].
    """
    pooled = np.concatenate(list(tasks), axis=-1)
    return np.asarray((pooled[..., None, :] > thresholds[:, None]).mean(axis=-1))


def probability_of_improvement(first: Sequence[FloatArray], second: Sequence[FloatArray]) -> FloatArray:
    """How likely a run of `first` beats a run of `second` on the same task, ties counting half.

    Args:
        first: one array of scores per task, [..., n_t].
        second: the same tasks in the same order, [..., m_t].

    Returns:
        The Mann-Whitney U of each task divided by n_t * m_t, averaged over tasks, [...].
    """
    per_task = [_mann_whitney_share(x, y) for x, y in zip(first, second, strict=True)]
    return np.asarray(np.mean(np.stack(per_task, axis=-1), axis=-1))


def improvement_estimate(
    first: Sequence[FloatArray], second: Sequence[FloatArray], rng: np.random.Generator
) -> Estimate:
    """`probability_of_improvement` with its stratified-bootstrap interval; none for single runs."""
    value = float(probability_of_improvement(first, second))
    if max(task.shape[-1] for task in (*first, *second)) < 2:
        return Estimate(value)
    return _bounded(value, probability_of_improvement(resample(first, rng), resample(second, rng)))


def kaplan_meier_median(times: FloatArray, reached: BoolArray) -> FloatArray:
    """Median time to an event when some runs end before it: they are censored, never dropped.

    Args:
        times: when each run reached the event, or when it was last looked at, [..., n].
        reached: whether it reached the event, [..., n].

    Returns:
        The time at which the Kaplan-Meier curve falls to one half, [...]; where the curve is exactly one half for a
        while, the middle of that stretch (without censoring this is the ordinary median). Infinite if the curve never
        falls that far.

    Source:
        Kaplan & Meier 1958; the rule for the flat stretch is that of R's `survival::survfit`.
    """
    # At equal times events come before censorings: a run censored at t was still at risk at t.
    order = np.lexsort((~reached, times), axis=-1)
    times = np.take_along_axis(times, order, axis=-1)
    reached = np.take_along_axis(reached, order, axis=-1)
    at_risk = np.arange(times.shape[-1], 0, -1)
    survival = np.cumprod(np.where(reached, 1.0 - 1.0 / at_risk, 1.0), axis=-1)
    tolerance = 1e-9
    at_half = _first_time(times, survival <= 0.5 + tolerance)
    below = _first_time(times, survival < 0.5 - tolerance)
    # Flat at one half to the very end: the curve did reach one half, so the time is that of reaching it.
    return np.where(np.isfinite(below), (at_half + below) / 2, at_half)


def kaplan_meier_estimate(times: FloatArray, reached: BoolArray, rng: np.random.Generator) -> Estimate:
    """Censored median over the runs with a bootstrap interval.

    Args:
        times: [n], n >= 1, as in `kaplan_meier_median`.
        reached: [n].
        rng: source of the resamples.

    Returns:
        None in the place of whatever is not reached (the median, or either end of the interval), and no interval for
        a single run.
    """
    median = _finite(float(kaplan_meier_median(times, reached)))
    if times.size < 2:
        return Estimate(median)
    picks = rng.integers(0, times.size, size=(RESAMPLES, times.size))
    medians = np.sort(kaplan_meier_median(times[picks], reached[picks]))
    # Order statistics, not interpolation: half-way to infinity is no frame count.
    low, high = (medians[round(share * (RESAMPLES - 1))] for share in _tails())
    return Estimate(median, _finite(float(low)), _finite(float(high)))


def estimate(tasks: Sequence[FloatArray], statistic: Statistic, rng: np.random.Generator) -> Estimate:
    """A statistic over tasks with its stratified-bootstrap percentile interval.

    Args:
        tasks: one array of scores per task, [n_t], n_t >= 1.
        statistic: function of such a list, mapping the last axis away.
        rng: source of the resamples.

    Returns:
        The estimate; without an interval if no task has two runs to resample, for its width would be a false zero.
    """
    value = float(statistic(tasks))
    if not tasks or max(task.shape[-1] for task in tasks) < 2:
        return Estimate(value)
    return _bounded(value, statistic(resample(tasks, rng)))


def resample(tasks: Sequence[FloatArray], rng: np.random.Generator, count: int = RESAMPLES) -> list[FloatArray]:
    """Bootstrap resamples stratified by task: runs are redrawn within their own task.

    Args:
        tasks: one array of scores per task, [n_t].
        rng: source of the draws.
        count: number of resamples B.

    Returns:
        One array per task, [B, n_t].
    """
    return [task[rng.integers(0, task.shape[-1], size=(count, task.shape[-1]))] for task in tasks]


def resample_pairs(
    first: Sequence[FloatArray], second: Sequence[FloatArray], rng: np.random.Generator, count: int = RESAMPLES
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Bootstrap resamples of pairs: what belongs to one seed is drawn together, so what its seed explains cancels.

    Args:
        first: one array of scores per task, [n_t].
        second: the same tasks and, place by place, the same seeds, [n_t].
        rng: source of the draws.
        count: number of resamples B.

    Returns:
        Two lists of one array per task, [B, n_t].
    """
    picks = [rng.integers(0, task.shape[-1], size=(count, task.shape[-1])) for task in first]
    drawn = [[task[pick] for task, pick in zip(tasks, picks, strict=True)] for tasks in (first, second)]
    return drawn[0], drawn[1]


def difference(
    first: Sequence[FloatArray],
    second: Sequence[FloatArray],
    statistic: Statistic,
    rng: np.random.Generator,
    *,
    paired: bool = False,
) -> Estimate:
    """By how much a statistic of one scheme is above that of another, with its stratified-bootstrap interval.

    Args:
        first: one array of scores per task, [n_t].
        second: the same tasks in the same order, [m_t].
        statistic: function of such a list, mapping the last axis away.
        rng: source of the resamples.
        paired: whether place i of both belongs to the same seed (then n_t = m_t) and is redrawn together.

    Returns:
        The difference; without an interval if nothing can be resampled.
    """
    value = float(statistic(first)) - float(statistic(second))
    if not first or max(task.shape[-1] for task in (*first, *second)) < 2:
        return Estimate(value)
    draws = resample_pairs(first, second, rng) if paired else (resample(first, rng), resample(second, rng))
    return _bounded(value, np.asarray(statistic(draws[0]) - statistic(draws[1])))


def interval(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Percentile interval over the first axis of bootstrap samples, [B, ...] -> two arrays [...]."""
    low, high = np.quantile(samples, _tails(), axis=0)
    return low, high


def curve_band(curves: FloatArray, rng: np.random.Generator, count: int = 1000) -> tuple[FloatArray, ...]:
    """`pooled_band` of one task: one curve per run on a common grid, [n, G], n >= 1."""
    return pooled_band([curves], rng, count)


def pooled_band(tables: Sequence[FloatArray], rng: np.random.Generator, count: int = 500) -> tuple[FloatArray, ...]:
    """Interquartile mean over the pooled runs x tasks at every grid point, with a pointwise stratified bootstrap band.

    Args:
        tables: one array of curves per task on a common grid, [n_t, G].
        rng: source of the resamples; whole runs are redrawn within their task.
        count: number of resamples.

    Returns:
        (iqm, low, high), each [G]; the band is NaN if no task has two runs.
    """
    middle = interquartile_mean(np.concatenate(list(tables)).T)
    if max(table.shape[0] for table in tables) < 2:
        empty = np.full_like(middle, np.nan)
        return middle, empty, empty
    picks = [rng.integers(0, table.shape[0], size=(count, table.shape[0])) for table in tables]
    columns = [np.ascontiguousarray(table.T) for table in tables]
    samples = []
    for point in range(middle.size):
        drawn = [column[point][pick] for column, pick in zip(columns, picks, strict=True)]
        samples.append(interquartile_mean(np.concatenate(drawn, axis=-1) if len(drawn) > 1 else drawn[0]))
    return middle, *interval(np.stack(samples, axis=-1))


def _bounded(value: float, samples: FloatArray) -> Estimate:
    low, high = interval(samples)
    return Estimate(value, float(low), float(high))


def _task_means(tasks: Sequence[FloatArray]) -> FloatArray:
    return np.stack([task.mean(axis=-1) for task in tasks], axis=-1)


def _mann_whitney_share(x: FloatArray, y: FloatArray) -> FloatArray:
    ahead, level = x[..., :, None] > y[..., None, :], x[..., :, None] == y[..., None, :]
    return np.asarray((ahead + 0.5 * level).mean(axis=(-2, -1)))


def _first_time(times: FloatArray, mask: BoolArray) -> FloatArray:
    """Time at the first true entry along the last axis; infinite where there is none."""
    index = mask.argmax(axis=-1)
    found = np.take_along_axis(times, index[..., None], axis=-1)[..., 0]
    return np.where(mask.any(axis=-1), found, np.inf)


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
