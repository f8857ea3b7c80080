"""Centred ranks by hand and against counting."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.maths.ranks import centred_ranks


def test_by_hand() -> None:
    assert centred_ranks(np.array([3.0, 1.0, 2.0, 2.0])).tolist() == [0.5, -0.5, 0, 0]
    assert centred_ranks(np.array([0.0, 0.0, 0.0])).tolist() == [0, 0, 0]
    assert centred_ranks(np.array([7.0])).tolist() == [0]
    assert centred_ranks(np.array([-np.inf, 1e300])).tolist() == [-0.5, 0.5]


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=9))
def test_a_rank_is_how_many_are_lower_and_half_of_those_equal(values: list[int]) -> None:
    found = centred_ranks(np.array(values, dtype=float))
    for value, rank in zip(values, found, strict=True):
        lower, equal = sum(other < value for other in values), values.count(value)
        assert np.isclose(rank, (lower + (equal - 1) / 2) / (len(values) - 1) - 0.5)
    assert np.isclose(found.sum(), 0)
