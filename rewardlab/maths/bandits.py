"""Rules of bandits, one pull at a time and whole problems at once, compiled.

A row of memory, float64 [6 + 4 K], holds all that a rule remembers of its problem: the number of pulls, a whole number
below 2^53 that random numbers are made of, the last arm, of elimination the turn, the arm that is being pulled and how
often in this turn, and of each arm how often it was pulled, the sum of what it paid, a number of the rule's own
(whether it is out, of elimination; its logarithmic weight, of exp3; whether it is active, of zooming) and the sum of
what is judged, of elimination.

Sources: Slivkins 2019, Introduction to multi-armed bandits (arXiv:1904.07272), chapters 1, 3 and 6; Auer, Cesa-Bianchi
and Fischer 2002 (UCB1); Kleinberg, Slivkins and Upfal 2008 (zooming); Marsaglia and Tsang 2000 (gamma variates).
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from rewardlab.kernel_cache import inner, kept
from rewardlab.maths.counting import GOLDEN
from rewardlab.types import Array

RULES = ("greedy", "epsilon", "ucb1", "thompson", "elimination", "exp3")
GREEDY, EPSILON, UCB1, THOMPSON, ELIMINATION, EXP3 = range(len(RULES))
ZOOMING = len(RULES)  # an agent of its own: it takes arms for points from 0 to 1, evenly spaced
KINDS = ("bernoulli", "gaussian", "adversarial")
BERNOULLI, GAUSSIAN, ADVERSARIAL = range(len(KINDS))
PULLS, KEY, LAST, TURN, AT, DONE, HEAD = range(7)
REPLICATE = ("return", "regret", "last_best", "best", "greedy", "fewest")  # columns of `play`'s `found`
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_MOST = 1e300
_KEYS = 2**53  # so large whole numbers float64 holds


class Rule(NamedTuple):
    """A rule by its number, its option (c of ucb1 and of elimination, epsilon), the pulls T, whether rewards are within
    0 and 1, and of elimination how many pulls of an arm's turn are not judged, and what to the power of the turn are.
    """

    number: int
    option: float
    horizon: float
    unit: bool
    burn_in: float = 0.0
    block: float = 1.0


def draw_keys(count: int, rng: torch.Generator) -> torch.Tensor:
    """What random numbers of so many problems are made of, float64 [count], whole."""
    return torch.randint(_KEYS, (count,), generator=rng, device=rng.device).cpu().double()


def row_size(arms: int) -> int:
    return HEAD + 4 * arms


def _mixed(key: Any, pulls: Any) -> Any:  # pragma: no cover
    """What the random numbers of a pull begin from, uint64."""
    return (np.uint64(key) + np.uint64(pulls) * _SECOND) * _FIRST


def _uniform(state: Any) -> Any:  # pragma: no cover
    """Moves uint64 [1] on: a float64 in (0, 1), by splitmix64."""
    state[0] += GOLDEN
    z = state[0]
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    z = z ^ (z >> _31)
    return (np.float64(z >> _11) + 0.5) * 2.0**-53


def _normal(state: Any) -> Any:  # pragma: no cover
    """A number of N(0, 1), by Box and Muller."""
    radius = math.sqrt(-2.0 * math.log(uniform(state)))
    return radius * math.cos(2.0 * math.pi * uniform(state))


def _gamma(shape: Any, state: Any) -> Any:  # pragma: no cover
    """A number of Gamma(shape, 1), shape >= 1."""
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(state)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(uniform(state)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v


def _best_mean(row: Any, arms: Any) -> Any:  # pragma: no cover
    """The arm of the largest mean; one that was never pulled comes before all others, the first of them."""
    best, value = 0, -_MOST
    for a in range(arms):
        n = row[HEAD + a]
        if n == 0.0:
            return a
        mean = row[HEAD + arms + a] / n
        if mean > value:
            best, value = a, mean
    return best


def _choose(
    row: Any, arms: Any, rule: Any, option: Any, horizon: Any, unit: Any, burn_in: Any, block: Any, state: Any
) -> Any:  # pragma: no cover
    """The arm to pull, by the entries of `Rule`. `state`: uint64 [1], room for random numbers."""
    t = row[PULLS]
    state[0] = mixed(row[KEY], t)
    if rule == UCB1:
        best, value, grown = 0, -_MOST, math.log(t + 1.0)
        for a in range(arms):
            n = row[HEAD + a]
            if n == 0.0:
                return a
            index = row[HEAD + arms + a] / n + option * math.sqrt(grown / n)
            if index > value:
                best, value = a, index
        return best
    if rule == THOMPSON:
        best, value = 0, -_MOST
        for a in range(arms):
            n, s = row[HEAD + a], row[HEAD + arms + a]
            if unit:
                x = gamma(1.0 + s, state)
                drawn = x / (x + gamma(1.0 + max(n - s, 0.0), state))
            else:
                drawn = s / (n + 1.0) + normal(state) / math.sqrt(n + 1.0)
            if drawn > value:
                best, value = a, drawn
        return best
    if rule == ELIMINATION:
        return next_of_turn(row, arms, horizon, option, burn_in, block)
    if rule == ZOOMING:
        return zoomed(row, arms, horizon)
    if rule == EXP3:
        total, left = weigh(row, arms), uniform(state)
        for a in range(arms - 1):
            left -= math.exp(row[HEAD + 2 * arms + a]) / total
            if left < 0.0:
                return a
        return arms - 1
    if rule == EPSILON and uniform(state) < option:
        return min(arms - 1, int(uniform(state) * arms))
    return best_mean(row, arms)


def _next_of_turn(row: Any, arms: Any, horizon: Any, c: Any, burn_in: Any, block: Any) -> Any:  # pragma: no cover
    """Arms that are not out are pulled in turn, each `burn_in` times unjudged and block^turn times judged, turns
    counted from 1; after a whole turn those leave whose upper bound is below the largest lower one.
    """
    out, judged, arm = HEAD + 2 * arms, HEAD + 3 * arms, int(row[AT])
    if row[DONE] < burn_in + block ** (row[TURN] + 1.0):
        return arm
    arm += 1
    while arm < arms and row[out + arm] == 1.0:
        arm += 1
    if arm == arms:
        turns = row[TURN] + 1.0
        pulls = turns if block == 1.0 else block * (block**turns - 1.0) / (block - 1.0)
        radius, lower = c * math.sqrt(math.log(horizon) / pulls), -_MOST
        for a in range(arms):
            if row[out + a] == 0.0:
                lower = max(lower, row[judged + a] / pulls - radius)
        for a in range(arms):
            if row[out + a] == 0.0 and row[judged + a] / pulls + radius < lower:
                row[out + a] = 1.0
        row[TURN] += 1.0
        arm = 0
        while row[out + arm] == 1.0:
            arm += 1
    row[AT], row[DONE] = arm, 0.0
    return arm


def _zoomed(row: Any, arms: Any, horizon: Any) -> Any:  # pragma: no cover
    """The active point of the largest mean + 2 r, r = sqrt(2 ln T / (n + 1)). The first point that is not within r of
    an active one is made active before.
    """
    active, width = HEAD + 2 * arms, 2.0 * math.log(horizon)
    for a in range(arms):
        covered = False
        for b in range(arms):
            if row[active + b] == 1.0 and abs(a - b) <= (arms - 1) * math.sqrt(width / (row[HEAD + b] + 1.0)):
                covered = True
                break
        if not covered:
            row[active + a] = 1.0
            break
    best, value = 0, -_MOST
    for a in range(arms):
        if row[active + a] == 1.0:
            n = row[HEAD + a]
            index = row[HEAD + arms + a] / max(n, 1.0) + 2.0 * math.sqrt(width / (n + 1.0))
            if index > value:
                best, value = a, index
    return best


def _weigh(row: Any, arms: Any) -> Any:  # pragma: no cover
    """The sum of exp3's weights, of which the row holds the logarithms, the largest 0."""
    total = 0.0
    for a in range(arms):
        total += math.exp(row[HEAD + 2 * arms + a])
    return total


def _learn(
    row: Any, arms: Any, rule: Any, burn_in: Any, horizon: Any, arm: Any, reward: Any
) -> Any:  # pragma: no cover
    """Take in what an arm paid."""
    if rule == EXP3:
        weights = HEAD + 2 * arms
        share = math.exp(row[weights + arm]) / weigh(row, arms)
        eta = math.sqrt(2.0 * math.log(arms) / (horizon * arms))
        row[weights + arm] -= eta * (1.0 - reward) / share
        most = row[weights : weights + arms].max()
        for a in range(arms):
            row[weights + a] -= most
    if rule == ELIMINATION:
        row[DONE] += 1.0
        if row[DONE] > burn_in:
            row[HEAD + 3 * arms + arm] += reward
    row[PULLS] += 1.0
    row[LAST] = arm
    row[HEAD + arm] += 1.0
    row[HEAD + arms + arm] += reward


def _begin(row: Any, key: Any) -> Any:  # pragma: no cover
    row[:] = 0.0
    row[KEY] = key


def _act(
    rows: Array,
    first: Array,
    keys: Array,
    arm: Array,
    reward: Array,
    rule: int,
    option: float,
    horizon: float,
    unit: bool,
    burn_in: float,
    block: float,
) -> Array:  # pragma: no cover
    """Arms to pull, int64 [N], of rows [N, 6 + 4 K] that are changed in place.

    Args:
        first: bool [N], where a problem begins; others take in first that `arm`, int64 [N], paid `reward`, [N].
        keys: float64 [N], whole numbers below 2^53, of those that begin.
    """
    arms, state = (rows.shape[1] - HEAD) // 4, np.zeros(1, dtype=np.uint64)
    found = np.empty(len(rows), dtype=np.int64)
    for i in range(len(rows)):
        if first[i]:
            begin(rows[i], keys[i])
        else:
            learn(rows[i], arms, rule, burn_in, horizon, arm[i], reward[i])
        found[i] = choose(rows[i], arms, rule, option, horizon, unit, burn_in, block, state)
    return found


def _play(
    kind: int,
    means: Array,
    spread: float,
    noise: Array,
    table: Array,
    keys: Array,
    rule: int,
    option: float,
    unit: bool,
    burn_in: float,
    block: float,
    grid: Array,
    found: Array,
    sums: Array,
) -> None:  # pragma: no cover
    """Play B problems of T pulls of K arms.

    Args:
        means: [B, K]. noise: [B, T], uniform or normal. table: float32 [B, T, K] of the adversarial kind, else empty.
        grid: int64 [G], pulls after which `sums`, [G, 3], takes in regret, return and pulls of a best arm so far.
        found: [B, 6], filled: `REPLICATE`, `fewest` being the pulls of the arm that was pulled least.
    """
    problems, arms = means.shape
    horizon = noise.shape[1] if kind != ADVERSARIAL else table.shape[1]
    row, state = np.zeros(HEAD + 4 * arms), np.zeros(1, dtype=np.uint64)
    best = np.zeros(arms, dtype=np.bool_)
    for b in range(problems):
        begin(row, keys[b])
        leader, top = 0, -_MOST
        for a in range(arms):
            worth = means[b, a]
            if kind == ADVERSARIAL:
                worth = 0.0
                for t in range(horizon):
                    worth += table[b, t, a]
            if worth > top:
                leader, top = a, worth
        for a in range(arms):
            best[a] = a == leader if kind == ADVERSARIAL else means[b, a] == top
        paid, regret, last_best, bests, greedies, g = 0.0, 0.0, 0, 0, 0, 0
        for t in range(horizon):
            arm = choose(row, arms, rule, option, float(horizon), unit, burn_in, block, state)
            value = -_MOST
            for a in range(arms):
                if row[HEAD + a] > 0.0:
                    value = max(value, row[HEAD + arms + a] / row[HEAD + a])
            if row[HEAD + arm] > 0.0 and row[HEAD + arms + arm] / row[HEAD + arm] == value:
                greedies += 1
            if kind == BERNOULLI:
                reward = 1.0 if noise[b, t] < means[b, arm] else 0.0
                regret += top - means[b, arm]
            elif kind == GAUSSIAN:
                reward = np.float64(np.float32(means[b, arm] + spread * noise[b, t]))
                regret += top - means[b, arm]
            else:
                reward = np.float64(table[b, t, arm])
                regret += np.float64(table[b, t, leader]) - reward
            paid += reward
            if best[arm]:
                bests += 1
                last_best = t + 1
            learn(row, arms, rule, burn_in, float(horizon), arm, reward)
            if g < len(grid) and grid[g] == t + 1:
                sums[g, 0] += regret
                sums[g, 1] += paid
                sums[g, 2] += bests
                g += 1
        found[b, 0], found[b, 1], found[b, 2] = paid, regret, last_best
        found[b, 3], found[b, 4], found[b, 5] = bests, greedies, row[HEAD : HEAD + arms].min()


mixed = inner(_mixed)
uniform = inner(_uniform)
normal = inner(_normal)
gamma = inner(_gamma)
best_mean = inner(_best_mean)
weigh = inner(_weigh)
next_of_turn = inner(_next_of_turn)
zoomed = inner(_zoomed)
choose = inner(_choose)
learn = inner(_learn)
begin = inner(_begin)
act = kept(_act, error_model="numpy")
play = kept(_play, error_model="numpy")
