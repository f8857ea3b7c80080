"""Actions within boxes: what is executed, and what is drawn."""

import numpy as np
import pytest
import torch

from rewardlab.maths.boxes import drawn, executed, units

LOW, HIGH = np.array([-2.0, 2.0, 3.0, -np.inf, -np.inf]), np.array([2.0, 5.0, np.inf, -1.0, np.inf])


def test_the_nearest_within_the_bounds_is_executed() -> None:
    asked = np.array([[-9.0, 3.0, 1.0, 4.0, 77.0]])
    done = [[-2.0, 3.0, 3.0, -1.0, 77.0]]
    assert executed(asked, LOW, HIGH).tolist() == done
    assert executed(*map(torch.from_numpy, (asked, LOW, HIGH))).tolist() == done
    assert executed(np.array([0.6, 2.4, 9.9]), np.zeros(3), np.full(3, 3.0), whole=True).tolist() == [1.0, 2.0, 3.0]


def test_drawn_actions_fill_their_box_evenly() -> None:
    found = drawn(LOW, HIGH, 20_000, np.random.default_rng(0))
    assert (found >= LOW).all() and (found <= HIGH).all()
    quartiles = np.quantile(found, [0.25, 0.5, 0.75], axis=0).T
    far = -np.log([0.75, 0.5, 0.25])  # of an exponential with mean 1
    expected = [[-1, 0, 1], [2.75, 3.5, 4.25], 3 + far, -1 - far[::-1], [-0.674, 0, 0.674]]
    assert quartiles == pytest.approx(np.array(expected), abs=0.05)


def test_whole_numbers_are_as_likely_each() -> None:
    found = drawn(np.zeros(1), np.full(1, 3.0), 20_000, np.random.default_rng(0), whole=True)
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [0, 1, 2, 3] and counts / 20_000 == pytest.approx([0.25] * 4, abs=0.02)


def test_the_widest_bounds_do_not_overflow() -> None:
    widest = np.full(2, np.finfo(np.float64).max)
    assert np.isfinite(drawn(-widest, widest, 100, np.random.default_rng(0))).all()


def test_units_of_a_box_are_its_own_where_there_are_two_bounds() -> None:
    middle, reach = units(LOW.tolist(), HIGH.tolist())
    assert middle.tolist() == [0.0, 3.5, 0.0, 0.0, 0.0]
    assert reach.tolist() == [2.0, 1.5, 1.0, 1.0, 1.0]
    assert [part.tolist() for part in units([4.0], [4.0])] == [[4.0], [1.0]]
    widest = [float(np.finfo(np.float64).max)]
    assert [part.tolist() for part in units([-widest[0]], widest)] == [[0.0], [1.0]]
