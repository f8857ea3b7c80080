"""Plans of entropic transport against a closed form, and against loops in logarithms over single cells."""

import math

import numpy as np
import pytest
import torch

from rewardlab.maths.optimal_transport import cosine_costs, match_rewards, transport_plan


def plan_by_loops(costs: np.ndarray, epsilon: float, iterations: int) -> np.ndarray:
    """Potentials of rows and columns, cell by cell; the rows' last."""
    length, width = costs.shape
    f, g = [0.0] * length, [0.0] * width

    def soft(terms: list[float]) -> float:
        most = max(terms)
        return most + math.log(sum(math.exp(term - most) for term in terms))

    for _ in range(iterations):
        g = [-math.log(width) - soft([f[i] - costs[i, j] / epsilon for i in range(length)]) for j in range(width)]
        f = [-math.log(length) - soft([g[j] - costs[i, j] / epsilon for j in range(width)]) for i in range(length)]
    return np.exp(np.array(f)[:, None] + np.array(g) - costs / epsilon)


def test_two_against_two() -> None:
    """Off the diagonal the plan is 1 / (2 + 2 e)."""
    costs = np.array([[0.0, 1.0], [1.0, 0.0]])
    plan = transport_plan(costs, 1.0)
    assert (plan * costs).sum(axis=1) == pytest.approx([0.134471, 0.134471], abs=1e-6)
    assert match_rewards(costs, plan) == pytest.approx(-1 / (1 + math.e), abs=1e-10)


@pytest.mark.parametrize(("epsilon", "scale"), [(0.5, 1.0), (0.01, 1.0), (0.01, 20.0)])
@pytest.mark.parametrize("shape", [(7, 4), (4, 9), (1, 3), (3, 1)])
def test_it_is_what_single_cells_give(shape: tuple[int, int], epsilon: float, scale: float) -> None:
    """The widest costs are beyond what exp can tell apart."""
    costs = scale * np.random.default_rng(3).random(shape)
    plan = transport_plan(costs, epsilon, iterations=23, tolerance=0.0)
    assert plan == pytest.approx(plan_by_loops(costs, epsilon, 23), rel=1e-8, abs=1e-12)
    assert plan.sum(axis=1) == pytest.approx(1 / shape[0], rel=1e-12)


def test_what_has_not_converged_is_exact_in_the_rows() -> None:
    costs = np.random.default_rng(0).random((30, 40))
    plan = transport_plan(costs, 0.01)
    assert plan.sum(axis=1) == pytest.approx(1 / 30, rel=1e-12)
    assert abs(plan.sum(axis=0) - 1 / 40).max() > 1e-6
    longer = transport_plan(costs, 0.01, iterations=20_000)
    assert abs(longer.sum(axis=0) - 1 / 40).max() < 1e-8


def test_both_ways_of_computing_agree() -> None:
    costs = np.random.default_rng(1).random((5, 6))
    near, far = (transport_plan(costs * width, 0.01 * width, 50) for width in (1.0, 1e-3))
    assert near == pytest.approx(far, rel=1e-9)
    wide = np.concatenate([costs, np.full((5, 1), 4.0)], axis=1)  # a column that is 400 epsilon away
    assert transport_plan(wide, 0.01, 50, 0.0) == pytest.approx(plan_by_loops(wide, 0.01, 50), rel=1e-8, abs=1e-14)


def test_a_sequence_against_itself_costs_nothing_and_length_counts_nothing() -> None:
    points = torch.eye(6)[torch.arange(6)]
    costs = cosine_costs(points, points)
    assert costs == pytest.approx(1 - np.eye(6))
    assert match_rewards(costs, transport_plan(costs, 0.01)) == pytest.approx(0.0, abs=1e-6)
    half = cosine_costs(points[:3], points)  # three of six are matched with two each, one of them another's
    twice = cosine_costs(points[:3].repeat_interleave(4, dim=0), points)
    paid, again = (match_rewards(costs, transport_plan(costs, 0.01, 500)) for costs in (half, twice))
    assert paid.mean() == pytest.approx(-0.5, abs=0.01)
    assert again.mean() == pytest.approx(-0.5, abs=0.01)


def test_costs_are_one_minus_the_cosine() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    second[1] = 0.0
    found = cosine_costs(torch.from_numpy(first), torch.from_numpy(second))
    for i in range(3):
        for j in range(4):
            norm = math.sqrt((first[i] ** 2).sum() * (second[j] ** 2).sum())
            assert found[i, j] == pytest.approx(1 - (first[i] @ second[j] / norm if norm else 0.0), abs=1e-12)
