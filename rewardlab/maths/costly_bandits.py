"""Bandits whose pulls cost something beside what they pay: rules under constraints, rules on budgets, the fluid
optimum.

A row of memory, float64 [2 + 2 K + J K + K + J + 1], holds all that is remembered of a problem: the number of pulls, a
whole number that random numbers are made of, of each arm how often it was pulled and what it paid in sum, of each cost
and arm what it cost in sum, of each arm a logarithmic weight, and of each cost, time last, a price (its logarithm, of
rules on budgets).

Sources: Badanidiyuru, Kleinberg and Slivkins 2013 (bandits with knapsacks, primal-dual); Immorlica et al. 2019
(adversarial knapsacks, Lagrangian); Slivkins 2019 (arXiv:1904.07272), chapter 10.
"""

import math
from typing import Any

import numpy as np

from rewardlab.kernel_cache import inner, kept
from rewardlab.maths.bandits import mixed, uniform
from rewardlab.types import Array

OFS, DUAL, PRIMAL_DUAL, LAGRANGE = range(4)
CONSTRAINED, BUDGETED = {"ofs": OFS, "primal_dual": DUAL}, {"primal_dual": PRIMAL_DUAL, "lagrange": LAGRANGE}
PRICE_STEP = 0.05  # of `DUAL`: how far a violation moves a price
_PULLS, _KEY, _HEAD = range(3)
_MOST = 1e300


def row_size(arms: int, costs: int) -> int:
    return _HEAD + 3 * arms + costs * arms + costs + 1


def fluid(reward: Array, cost: Array, budget: float, pulls: int) -> tuple[float, Array, float]:
    """The best that a problem with budgets can pay on average, were pulls divisible: a bound on every policy's return.

    Maximises Sum_a x_a r_a under Sum_a x_a c_ia <= B for each i and Sum_a x_a <= T.

    Args:
        reward: float64 [K]. cost: float64 [J, K].

    Returns:
        The bound, the price of a unit of each budget [J], and that of a pull.
    """
    from scipy.optimize import linprog

    rows = np.concatenate([cost, np.ones((1, len(reward)))])
    found = linprog(-reward, A_ub=rows, b_ub=[*[budget] * len(cost), float(pulls)], method="highs")
    prices = -found.ineqlin.marginals
    return -float(found.fun), prices[:-1], float(prices[-1])


def _within_constraints(row: Any, arms: Any, costs: Any, rule: Any, c: Any, horizon: Any) -> Any:  # pragma: no cover
    """ofs: the largest upper bound of what is paid, of arms no lower bound of whose costs is above 0; if there is none,
    the arm of the least such violation. primal_dual: the largest upper bound less costs at their prices.
    """
    best, value, safest, least = 0, -_MOST, 0, _MOST
    for a in range(arms):
        n = row[_HEAD + a]
        if n == 0.0:
            return a
        width = c * math.sqrt(2.0 * math.log(horizon * arms) / n)
        worst, priced = -_MOST, 0.0
        for j in range(costs):
            lower = row[_HEAD + 2 * arms + j * arms + a] / n - width
            worst = max(worst, lower)
            priced += row[_HEAD + (3 + costs) * arms + j] * lower
        index = row[_HEAD + arms + a] / n + width
        if rule == DUAL:
            index -= priced
        elif worst > 0.0:
            index = -_MOST
        if index > value:
            best, value = a, index
        if worst < least:
            safest, least = a, worst
    return safest if value == -_MOST else best


def _of_budgets(row: Any, arms: Any, costs: Any, c: Any, horizon: Any, budget: Any) -> Any:  # pragma: no cover
    """Each arm once, then the largest upper bound of what is paid per lower bound of what it costs at prices."""
    prices, sums = _HEAD + (3 + costs) * arms, _HEAD + 2 * arms
    best, value = 0, -1.0
    most = row[prices : prices + costs + 1].max()
    for a in range(arms):
        n = row[_HEAD + a]
        if n == 0.0:
            return a
        priced = math.exp(row[prices + costs] - most) * budget / horizon
        for j in range(costs):
            priced += math.exp(row[prices + j] - most) * lower_bound(row[sums + j * arms + a] / n, n, c)
        mean = row[_HEAD + arms + a] / n
        index = min(1.0, mean + math.sqrt(c * mean / n) + c / n) / max(priced, 1e-12)
        if index > value:
            best, value = a, index
    step = math.log(1.0 + min(1.0, math.sqrt(math.log(costs + 1.0) / budget)))
    n = row[_HEAD + best]
    for j in range(costs):
        row[prices + j] += step * lower_bound(row[sums + j * arms + best] / n, n, c)
    row[prices + costs] += step * budget / horizon
    return best


def _lower_bound(mean: Any, n: Any, c: Any) -> Any:  # pragma: no cover
    """Of a mean within 0 and 1: the radius is sqrt(c m / n) + c / n."""
    return max(0.0, mean - math.sqrt(c * mean / n) - c / n)


def _drawn_of(logs: Any, state: Any) -> Any:  # pragma: no cover
    """A number drawn by weights of which the logarithms are given, the largest 0."""
    total = np.exp(logs).sum()
    left = uniform(state)
    for a in range(len(logs) - 1):
        left -= math.exp(logs[a]) / total
        if left < 0.0:
            return a
    return len(logs) - 1


def _play_against_prices(
    row: Any, arms: Any, costs: Any, horizon: Any, budget: Any, arm: Any, paid: Any, state: Any
) -> None:  # pragma: no cover
    """lagrange: Exp3 on r + 1 - (T / B) c_i, rescaled to within 0 and 1, for a cost i that Hedge draws; Hedge lowers
    it.
    """
    weights, prices = _HEAD + (2 + costs) * arms, _HEAD + (3 + costs) * arms
    ratio = horizon / budget
    own, dual = row[weights : weights + arms], row[prices : prices + costs + 1]
    i = drawn_of(dual, state)
    cost = paid[1 + i] if i < costs else 1.0 / ratio
    gain = (paid[0] + 1.0 - ratio * cost - (1.0 - ratio)) / (1.0 + ratio)
    share = math.exp(own[arm]) / np.exp(own).sum()
    own[arm] -= math.sqrt(2.0 * math.log(arms) / (horizon * arms)) * (1.0 - gain) / share
    own -= own.max()
    step = math.sqrt(8.0 * math.log(costs + 1.0) / horizon)
    for j in range(costs + 1):
        cost = paid[1 + j] if j < costs else 1.0 / ratio
        dual[j] -= step * (paid[0] + 1.0 - ratio * cost - (1.0 - ratio)) / (1.0 + ratio)
    dual -= dual.max()


def _act(
    rows: Array,
    first: Array,
    keys: Array,
    arm: Array,
    paid: Array,
    arms: int,
    rule: int,
    c: float,
    horizon: float,
    budget: float,
) -> Array:  # pragma: no cover
    """Arms to pull, int64 [N], of rows [N, ...] that are changed in place.

    Args:
        first: bool [N], where a problem begins; others take in first what `arm`, int64 [N], paid and cost, `paid`
            [N, 1 + J].
        keys: float64 [N], whole numbers below 2^53, of those that begin.
        c: width of bounds. budget: of each cost, of rules on budgets.
    """
    costs, state = paid.shape[1] - 1, np.zeros(1, dtype=np.uint64)
    found = np.empty(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        row, a = rows[i], arm[i]
        if first[i]:
            row[:] = 0.0
            row[_KEY] = keys[i]
            state[0] = mixed(row[_KEY], 0.0)
        else:
            row[_PULLS] += 1.0
            state[0] = mixed(row[_KEY], row[_PULLS])
            if rule == LAGRANGE:
                play_against_prices(row, arms, costs, horizon, budget, a, paid[i], state)
            row[_HEAD + a] += 1.0
            row[_HEAD + arms + a] += paid[i, 0]
            for j in range(costs):
                row[_HEAD + 2 * arms + j * arms + a] += paid[i, 1 + j]
                if rule == DUAL:
                    price = _HEAD + (3 + costs) * arms + j
                    row[price] = max(0.0, row[price] + PRICE_STEP * paid[i, 1 + j])
        if rule == LAGRANGE:
            found[i] = drawn_of(row[_HEAD + (2 + costs) * arms : _HEAD + (3 + costs) * arms], state)
        elif rule == PRIMAL_DUAL:
            found[i] = of_budgets(row, arms, costs, c, horizon, budget)
        else:
            found[i] = within_constraints(row, arms, costs, rule, c, horizon)
    return found


lower_bound = inner(_lower_bound)
drawn_of = inner(_drawn_of)
within_constraints = inner(_within_constraints)
of_budgets = inner(_of_budgets)
play_against_prices = inner(_play_against_prices)
act = kept(_act, error_model="numpy")
