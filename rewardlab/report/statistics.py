"""The few statistics of the report, as pure vectorised functions with a seeded generator.

Scores come as one array per task, with the runs (seeds) in the last axis and any leading axes for resamples:
`tasks[t]` has shape [..., n_t], and seeds need not be equally many. Conventions follow Agarwal et al., "Deep
Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021 (rliable).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rewardlab.report.sorting import sort_across

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Statistic = Callable[[Sequence[FloatArray]], FloatArray]

RESAMPLES = 2000
_SUMMED_IN_TURN = 8  # fewer numbers in a row are summed one after the other, more in pairs
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


class Band(NamedTuple):
    """A curve and the ends of its pointwise interval, each [G]; NaN where a number cannot be had."""

    middle: FloatArray
    low: FloatArray
    high: FloatArray


def generator(*names: str) -> np.random.Generator:
    """A generator seeded by what it is used for: another scheme in the folder moves nobody else's interval."""
    return np.random.default_rng([2021, *(crc32(name.encode()) for name in names)])


def coverage(seeds: int) -> tuple[float, float]:
    """What a 95 % interval of that many seeds really covers: the entry of `COVERED` at or below, 2 seeds at least."""
    return COVERED[max((known for known in COVERED if known <= seeds), default=min(COVERED))]


def interquartile_mean(values: FloatArray) -> FloatArray:
    """Mean of the middle half, [..., n] -> [...]: a quarter of the runs, rounded down, is cut at either end.

    Source:
        `scipy.stats.trim_mean(values, 0.25)`, as rliable has it.
    """
    count = values.shape[-1]
    middle = np.sort(values, axis=-1)[..., count // 4 : count - count // 4]
    if middle.shape[-1] >= _SUMMED_IN_TURN or values.ndim < 2:
        return np.asarray(middle.mean(axis=-1))
    # numpy sums so few in turn, too, but row by row: column by column it takes a third of the time.
    return _mean_in_turn([middle[..., place] for place in range(middle.shape[-1])])


def pooled_interquartile_mean(tasks: Sequence[FloatArray]) -> FloatArray:
    """Interquartile mean over the pooled runs x tasks, [...]: every task counts alike, however many seeds it has."""
    pooled, weights = np.concatenate(list(tasks), axis=-1), _weights([task.shape[-1] for task in tasks])
    return interquartile_mean(pooled) if weights is None else _weighted_middle(pooled, weights)


def _weights(seeds: Sequence[int]) -> FloatArray | None:
    """What each pooled run weighs where tasks have unequally many, [n], 1 in all; None where they have equally many."""
    if len(set(seeds)) < 2:
        return None
    return np.repeat([1.0 / (len(seeds) * count) for count in seeds], seeds)


def _weighted_middle(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean of the middle half by weight, [..., n] and [n] -> [...]: a quarter is cut at either end, runs in part."""
    order = np.argsort(values, axis=-1)
    ends = np.cumsum(weights[order], axis=-1)
    inside = np.clip(np.minimum(ends, 0.75) - np.maximum(ends - weights[order], 0.25), 0.0, None)
    ranked = np.take_along_axis(values, order, axis=-1)
    return np.asarray(np.where(inside > 0, ranked * inside, 0.0).sum(axis=-1) / inside.sum(axis=-1))


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
    """Share of the runs that score above each threshold, [K] -> [..., K]; every task counts alike."""
    return np.asarray(_task_means([task[..., None, :] > thresholds[:, None] for task in tasks]).mean(axis=-1))


def probability_of_improvement(first: Sequence[FloatArray], second: Sequence[FloatArray]) -> FloatArray:
    """How likely a run of `first` beats a run of `second` on the same task, ties counting half.

    Returns:
        The Mann-Whitney U of each task divided by n_t * m_t, averaged over tasks, [...].
    """
    shares = []
    for x, y in zip(first, second, strict=True):
        ahead, level = x[..., :, None] > y[..., None, :], x[..., :, None] == y[..., None, :]
        shares.append((ahead + 0.5 * level).mean(axis=(-2, -1)))
    return np.asarray(np.mean(np.stack(shares, axis=-1), axis=-1))


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
    """`kaplan_meier_median` over n >= 1 runs with a bootstrap interval.

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
    """A statistic over tasks, which maps the last axis away, with its stratified-bootstrap percentile interval."""
    return bootstrap((tasks,), statistic, rng)


def bootstrap(
    sides: Sequence[Sequence[FloatArray]],
    statistic: Callable[..., FloatArray],
    rng: np.random.Generator,
    *,
    paired: bool = False,
) -> Estimate:
    """A statistic of one scheme, or of several, with its stratified-bootstrap percentile interval.

    Args:
        sides: for each scheme one array of scores per task, [n_t], n_t >= 1; all have the same tasks in the same order.
        statistic: function of such lists, mapping the last axis away.
        rng: source of the resamples.
        paired: whether place i of all sides belongs to the same seed and is redrawn together, so that what the seed
            explains cancels.

    Returns:
        The estimate; without an interval if no task has two runs to resample, for its width would be a false zero.
    """
    value = float(statistic(*sides))
    if max((task.shape[-1] for side in sides for task in side), default=0) < 2:
        return Estimate(value)
    if paired:
        picks = resample([np.arange(task.shape[-1]) for task in sides[0]], rng)
        draws = [[task[pick] for task, pick in zip(side, picks, strict=True)] for side in sides]
    else:
        draws = [resample(side, rng) for side in sides]
    low, high = interval(np.asarray(statistic(*draws)))
    return Estimate(value, float(low), float(high))


def resample(tasks: Sequence[NDArray[Any]], rng: np.random.Generator, count: int = RESAMPLES) -> list[NDArray[Any]]:
    """Bootstrap resamples stratified by task, [n_t] -> [count, n_t]: runs are redrawn within their own task."""
    return [task[rng.integers(0, task.shape[-1], size=(count, task.shape[-1]))] for task in tasks]


def interval(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Percentile interval over the first axis of bootstrap samples, [B, ...], which it reorders -> two arrays [...]."""
    low, high = np.quantile(samples, _tails(), axis=0, overwrite_input=True)
    return low, high


def pooled_band(tables: Sequence[FloatArray], rng: np.random.Generator, count: int = 500) -> Band:
    """Interquartile mean over the pooled runs x tasks at every grid point, with a pointwise stratified bootstrap band.

    Args:
        tables: one array of curves per task on a common grid, [n_t, G].
        rng: source of the resamples; whole runs are redrawn within their task.
        count: number of resamples.

    Returns:
        Each [G]; the interval is NaN if no task has two runs.
    """
    middle = pooled_interquartile_mean([table.T for table in tables])
    if max(table.shape[0] for table in tables) < 2:
        empty = np.full_like(middle, np.nan)
        return Band(middle, empty, empty)
    picks = [rng.integers(0, table.shape[0], size=(count, table.shape[0])) for table in tables]
    return Band(middle, *interval(_resampled(tables, picks)))


def _resampled(tables: Sequence[FloatArray], picks: Sequence[NDArray[np.int64]]) -> FloatArray:
    """Interquartile means over runs that were drawn again, [n_t, G] and [count, n_t] -> [count, G].

    What belongs to one point of the grid lies together, as `interval` takes it.
    """
    runs = sum(table.shape[0] for table in tables)
    cut = slice(runs // 4, runs - runs // 4)
    alike = _weights([len(table) for table in tables]) is None
    if alike and len(range(runs)[cut]) < _SUMMED_IN_TURN and not any(np.isnan(table).any() for table in tables):
        drawn = [table.take(pick, axis=0) for table, several in zip(tables, picks, strict=True) for pick in several.T]
        return np.ascontiguousarray(_mean_in_turn(sort_across(drawn)[cut]).T).T
    columns = [np.ascontiguousarray(table.T) for table in tables]
    samples = []
    for point in range(tables[0].shape[1]):
        parts = [column[point].take(pick) for column, pick in zip(columns, picks, strict=True)]
        samples.append(pooled_interquartile_mean(parts))
    return np.stack(samples).T


def _mean_in_turn(parts: Sequence[FloatArray]) -> FloatArray:
    """Mean of a few arrays, place by place, summed from the first to the last."""
    total = 0.0 + parts[0]
    for part in parts[1:]:
        total += part
    return np.asarray(total / len(parts))


def _task_means(tasks: Sequence[FloatArray] | Sequence[BoolArray]) -> FloatArray:
    return np.stack([task.mean(axis=-1) for task in tasks], axis=-1)


def _first_time(times: FloatArray, mask: BoolArray) -> FloatArray:
    """Time at the first true entry along the last axis; infinite where there is none."""
    index = mask.argmax(axis=-1)
    found = np.take_along_axis(times, index[..., None], axis=-1)[..., 0]
    return np.where(mask.any(axis=-1), found, np.inf)


def _tails() -> tuple[float, float]:
    return (1 - LEVEL) / 2, (1 + LEVEL) / 2


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
