"""Many short lists sorted at once, and the bands that are made of them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardlab.report import statistics
from rewardlab.report.sorting import sort_across
from rewardlab.report.statistics import generator

FEW = 13  # runs up to here take the quick way


@pytest.mark.parametrize("count", range(1, FEW + 1))
def test_sorts_every_list(count):
    """What sorts all lists of zeros and ones sorts all lists (Knuth, theorem 5.3.4Z)."""
    lists = np.array(list(product([0.0, 1.0], repeat=count)))
    found = np.stack(sort_across([column.copy() for column in lists.T]), axis=-1)
    assert np.array_equal(found, np.sort(lists, axis=-1))


VALUES = st.one_of(
    st.floats(-2, 2, width=64),
    st.sampled_from([0.0, -0.0, 0.1, 0.25, 1e300, -1e300, 5e-324, np.inf, -np.inf, np.nan]),
)


@given(st.data())
def test_bands_are_to_the_last_bit_those_of_each_point_by_itself(data):
    points = data.draw(st.integers(1, 4))
    counts = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3).filter(lambda counts: max(counts) > 1))
    tables = [data.draw(arrays(np.float64, (count, points), elements=VALUES)) for count in counts]
    rng = generator("x")
    picks = [rng.integers(0, count, size=(40, count)) for count in counts]
    with np.errstate(invalid="ignore", over="ignore"):
        band = statistics.pooled_band(tables, generator("x"), 40)
        for point in range(points):
            drawn = [t[:, point][pick] for t, pick in zip(tables, picks, strict=True)]
            expected = np.quantile(_interquartile_means(drawn), [(1 - 0.95) / 2, (1 + 0.95) / 2])
            assert np.array([band.low[point], band.high[point]]).tobytes() == expected.tobytes()


def _interquartile_means(drawn):
    if len({task.shape[-1] for task in drawn}) > 1:
        return statistics.pooled_interquartile_mean(drawn)
    values = np.concatenate(drawn, axis=-1)
    count = values.shape[-1]
    return np.sort(values, axis=-1)[:, count // 4 : count - count // 4].mean(axis=-1)
