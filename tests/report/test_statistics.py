"""The report's statistics against other people's code and against cases worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from rewardlab.report import statistics
from rewardlab.report.statistics import Estimate, generator, kaplan_meier_estimate, kaplan_meier_median

RNG = np.random.default_rng(5)
TASKS = [RNG.random(7), RNG.random(5), RNG.random(9)]


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-5, 5)))
def test_interquartile_mean_is_scipys_trimmed_mean(values):
    assert statistics.interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-12)


@given(st.data())
def test_every_task_counts_alike_however_many_seeds_it_has(data):
    counts = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    tasks = [data.draw(arrays(np.float64, count, elements=st.floats(-5, 5))) for count in counts]
    # As if each run were there so often that all tasks had equally many, and the quarters were whole runs.
    often = [np.repeat(task, 240 // task.size) for task in tasks]
    even = stats.trim_mean(np.concatenate(often), 0.25)
    found = statistics.pooled_interquartile_mean(tasks)
    if len(set(counts)) == 1:  # as rliable has it: runs are cut whole
        even = stats.trim_mean(np.concatenate(tasks), 0.25)
    assert found == pytest.approx(even, abs=1e-12)
    shares = [np.mean(task > 0.5) for task in tasks]
    assert statistics.performance_profile(tasks, np.array([0.5])) == pytest.approx(np.mean(shares))


def test_aggregates_by_hand():
    means = [task.mean() for task in TASKS]
    # Solved with five seeds, failed with two: neither task counts for more, and a half is in the middle.
    assert statistics.pooled_interquartile_mean([np.ones(5), np.zeros(2)]) == pytest.approx(0.5)
    assert statistics.mean_over_tasks(TASKS) == pytest.approx(sum(means) / 3)
    assert statistics.median_over_tasks(TASKS) == pytest.approx(sorted(means)[1])
    # A score beyond the optimum does not make up for one below it.
    assert statistics.optimality_gap([np.array([1.5, 0.5])]) == pytest.approx(0.25)


def test_performance_profile_counts_runs_above():
    profile = statistics.performance_profile([np.array([0.1, 0.5]), np.array([0.9, 0.9])], np.array([0.0, 0.5, 0.9]))
    np.testing.assert_allclose(profile, [1.0, 0.5, 0.0])


def test_probability_of_improvement_is_mann_whitney_over_tasks():
    other = [RNG.random(4), RNG.random(8), np.round(TASKS[2], 1)]
    expected = np.mean(
        [stats.mannwhitneyu(x, y).statistic / (x.size * y.size) for x, y in zip(TASKS, other, strict=True)]
    )
    assert statistics.probability_of_improvement(TASKS, other) == pytest.approx(expected)
    assert statistics.probability_of_improvement(TASKS, TASKS) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("times", "reached", "median"),
    [
        ([1, 2, 3], [1, 1, 1], 2),
        ([4, 1, 3, 2], [1, 1, 1, 1], 2.5),  # nothing censored: the ordinary median
        ([1, 2, 9, 9, 9], [1, 1, 0, 0, 0], np.inf),  # 2 of 5
        ([1, 2, 3, 9, 9], [1, 1, 1, 0, 0], 3),  # 3 of 5
        ([1, 2, 9, 9], [1, 1, 0, 0], 2),  # exactly half, and flat to the end
        ([9, 9], [0, 0], np.inf),
        ([7], [1], 7),
        # Early censoring shifts weight to the later runs: S = 4/5 at 1, 4/5 * 2/3 at 3, 4/5 * 1/3 at 4.
        ([1, 2, 3, 4, 5], [1, 0, 1, 1, 1], 4),
        # An event and a censoring at the same time: the censored run was still at risk (S = 2/3, then 0).
        ([2, 2, 5], [1, 0, 1], 5),
        ([2, 2, 2, 8], [1, 1, 1, 0], 2),
        ([1, 2, np.inf], [1, 1, 0], 2),
    ],
)
def test_kaplan_meier_median_by_hand(times, reached, median):
    assert kaplan_meier_median(np.array(times, float), np.array(reached, bool)) == median


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=12), st.randoms())
def test_kaplan_meier_agrees_with_the_product_over_distinct_times(pairs, random):
    expected, survival = np.inf, 1.0
    curve = []
    for time in sorted({time for time, _ in pairs}):
        events = sum(reached for at, reached in pairs if at == time)
        survival *= 1 - events / sum(at >= time for at, _ in pairs)
        curve.append((time, survival))
    if under := [time for time, s in curve if s <= 0.5 + 1e-9]:
        below = [time for time, s in curve if s < 0.5 - 1e-9]
        expected = (under[0] + below[0]) / 2 if below else under[0]
    random.shuffle(pairs)
    times, reached = np.array([t for t, _ in pairs], float), np.array([r for _, r in pairs], bool)
    assert kaplan_meier_median(times, reached) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=12))
def test_kaplan_meier_is_scipys_curve(pairs):
    """scipy gives the curve; the median of a stretch at exactly one half is ours, for libraries miss it."""
    times, reached = np.array([t for t, _ in pairs], float), np.array([r for _, r in pairs], bool)
    curve = stats.ecdf(stats.CensoredData(times[reached], right=times[~reached])).sf
    under = curve.quantiles[curve.probabilities <= 0.5 + 1e-9]
    below = curve.quantiles[curve.probabilities < 0.5 - 1e-9]
    # A curve that ends by a censored run stays where it is: its last quantile may be no event.
    events = np.unique(times[reached])
    under, below = (np.intersect1d(each, events) for each in (under, below))
    expected = np.inf if not under.size else (under[0] + below[0]) / 2 if below.size else under[0]
    assert kaplan_meier_median(times, reached) == pytest.approx(expected)


@pytest.mark.parametrize("statistic", [statistics.mean_over_tasks, statistics.pooled_interquartile_mean])
def test_the_bootstrap_is_scipys(statistic):
    """The same resamples, drawn in the same order; only the last digit of a percentile may differ."""
    ours = statistics.estimate(TASKS, statistic, generator("a"))
    theirs = stats.bootstrap(
        TASKS, lambda *tasks, axis: statistic(tasks), n_resamples=statistics.RESAMPLES, vectorized=True,
        method="percentile", confidence_level=statistics.LEVEL, rng=generator("a"),
    ).confidence_interval  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), rel=1e-12)


def test_kaplan_meier_works_on_stacks():
    times, reached = np.array([[1.0, 2.0, 3.0], [5.0, 9.0, 9.0]]), np.array([[1, 1, 1], [1, 0, 0]], bool)
    np.testing.assert_array_equal(kaplan_meier_median(times, reached), [2.0, np.inf])


def test_kaplan_meier_interval_is_open_where_it_is_not_reached():
    estimate = kaplan_meier_estimate(
        np.array([3.0, 4.0, 5.0, 9.0, 9.0]), np.array([1, 1, 1, 0, 0], bool), generator("x")
    )
    assert (estimate.value, estimate.high) == (5.0, None)
    assert estimate.low in (3.0, 4.0)
    assert kaplan_meier_estimate(np.array([9.0, 9.0]), np.zeros(2, bool), generator("x")) == Estimate()
    assert kaplan_meier_estimate(np.array([3.0]), np.ones(1, bool), generator("x")) == Estimate(3.0)


def test_bootstrap_is_reproducible_and_near_the_normal_interval():
    tasks = [RNG.normal(size=200)]
    first = statistics.estimate(tasks, statistics.mean_over_tasks, generator("a", "b"))
    assert first == statistics.estimate(tasks, statistics.mean_over_tasks, generator("a", "b"))
    assert first != statistics.estimate(tasks, statistics.mean_over_tasks, generator("a", "c"))
    error = 1.96 * tasks[0].std() / np.sqrt(200)
    assert first.low == pytest.approx(tasks[0].mean() - error, abs=0.02)
    assert first.high == pytest.approx(tasks[0].mean() + error, abs=0.02)


def test_bootstrap_is_stratified():
    # Each task is constant: redrawing within tasks changes nothing, redrawing across them would.
    tasks = [np.zeros(5), np.ones(5)]
    assert statistics.estimate(tasks, statistics.mean_over_tasks, generator("x")) == Estimate(0.5, 0.5, 0.5)


def test_one_run_has_no_interval():
    assert statistics.estimate([np.array([0.3])], statistics.mean_over_tasks, generator("x")) == Estimate(0.3)
    middle, low, _ = statistics.pooled_band([np.array([[0.1, 0.2]])], generator("x"))
    np.testing.assert_array_equal(middle, [0.1, 0.2])
    assert np.isnan(low).all()


def test_curve_band_is_the_interquartile_mean_at_every_point():
    curves = RNG.random((5, 11))
    middle, low, high = statistics.pooled_band([curves], generator("x"), 1000)
    np.testing.assert_allclose(middle, stats.trim_mean(curves, 0.25, axis=0))
    assert ((low <= middle) & (middle <= high)).all()
