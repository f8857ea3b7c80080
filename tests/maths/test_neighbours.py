"""Distances, kernels and entropies against plain loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.maths.neighbours import nearest_distances, pseudo_count_bonus, renyi_bonus, shannon_bonus

PAPER = {"epsilon": 1e-4, "cluster": 0.008, "constant": 1e-3, "maximum": 8.0}


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 6), st.integers(0, 2**31))
def test_nearest_distances_are_the_smallest(queries: int, points: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    from_, to = rng.normal(3.0, 1.0, size=(queries, 5)), rng.normal(3.0, 1.0, size=(points, 5))
    found = nearest_distances(torch.from_numpy(from_), torch.from_numpy(to), count).numpy()
    distances = np.sort(np.linalg.norm(from_[:, None] - to, axis=2), axis=1)
    expected = distances[:, [min(i, points - 1) for i in range(count)]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_point_is_its_own_nearest_at_a_distance_of_exactly_zero() -> None:
    points = torch.rand(50, 8, generator=torch.Generator().manual_seed(0)) + 100.0
    assert nearest_distances(points, points, 1).abs().max() == 0.0


def test_pseudo_count_by_hand() -> None:
    """Two neighbours in memory of three: one at the mean distance, one at half of it."""
    squared = torch.tensor([[2.0, 1.0, math.inf]])
    kernel = [1e-4 / (max(d / 2.0 - 0.008, 0.0) + 1e-4) for d in (2.0, 1.0)]
    expected = 1.0 / (math.sqrt(sum(kernel)) + 0.001)
    assert pseudo_count_bonus(squared, torch.tensor([[2.0]]), **PAPER).item() == pytest.approx(expected, rel=1e-5)


def test_clustered_neighbours_count_as_whole_visits_and_too_many_pay_nothing() -> None:
    near = torch.full((1, 4), 0.007)
    assert pseudo_count_bonus(near, torch.ones(1), **PAPER).item() == pytest.approx(1.0 / 2.001)
    assert pseudo_count_bonus(torch.zeros(1, 100), torch.ones(1), **PAPER).item() == 0.0  # the root of 100 exceeds 8


def test_nothing_in_memory_but_the_same_state_is_one_visit() -> None:
    """Before any distance was seen, the mean is 0: no division by it may fail."""
    assert pseudo_count_bonus(torch.zeros(1, 1), torch.zeros(1), **PAPER).item() == pytest.approx(1.0 / 1.001)


def test_entropies() -> None:
    distances = torch.tensor([0.0, 1.0, 4.0])
    np.testing.assert_allclose(shannon_bonus(distances), [0.0, math.log(2.0), math.log(5.0)], rtol=1e-6)
    np.testing.assert_allclose(renyi_bonus(distances, 0.5), [0.0, 1.0, 2.0], rtol=1e-6)
