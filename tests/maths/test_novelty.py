"""Novelty against brute force and by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewardlab.maths.novelty import novelty

POINTS = arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.integers(-3, 3).map(float))


def test_by_hand() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    assert novelty(points, points, 2, own=np.arange(3)).tolist() == [2, 1.5, 2.5]
    twins = np.zeros((2, 1))
    assert novelty(twins, twins, 1, own=np.arange(2)).tolist() == [0, 0]
    assert novelty(points, points, 2).tolist() == [0.5, 0.5, 1]  # nobody is left out
    assert novelty(points, points[:0], 2).tolist() == [0, 0, 0]
    assert novelty(points[:1], points[:1], 2, own=np.zeros(1, int)).tolist() == [0]


@given(POINTS, POINTS, st.integers(1, 12), st.booleans())
def test_brute_force(points: np.ndarray, others: np.ndarray, k: int, among: bool) -> None:
    everybody = np.concatenate([points, others]) if among else others
    found = novelty(points, everybody, k, own=np.arange(len(points)) if among else None)
    for i, point in enumerate(points):
        distances = sorted(np.hypot(*(other - point)) for j, other in enumerate(everybody) if not (among and j == i))
        expected = np.mean(distances[:k]) if distances else 0.0
        assert np.isclose(found[i], expected)
