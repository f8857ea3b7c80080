"""Crafter's score, by hand."""

import numpy as np
import pytest

from rewardlab.maths.achievements import score


def test_score_is_the_geometric_mean_of_per_cents_each_up_by_one():
    assert score(np.array([0.0, 0.0])) == 0.0
    assert score(np.ones(22)) == pytest.approx(100.0)
    assert score(np.array([0.03, 0.0])) == pytest.approx(2.0 - 1.0)  # sqrt(4 * 1) - 1
    shares = np.random.default_rng(0).random(22)
    assert score(shares) == pytest.approx(float(np.exp(np.mean(np.log(1 + 100 * shares))) - 1))


def test_rare_achievements_count_as_much_as_common_ones():
    assert score(np.array([0.01, 0.49])) == pytest.approx(score(np.array([0.0, 0.99])))
