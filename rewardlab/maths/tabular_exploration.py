"""Plans of learners that explore tables, from what they have counted: Q [H, S, A] of episodes of H steps.

S states, A actions; float64. A pair of state and action that was never tried is worth what the steps that are left can
pay at most, `most` [H], unless it is said otherwise. Random ones draw all they need from a numpy generator.

Sources: Brafman and Tennenholtz 2002 (R-max); Osband, Russo and Van Roy 2013 (PSRL); Azar, Osband and Munos 2017
(UCBVI); Osband, Van Roy and Wen 2016 (RLSVI); Liu et al. 2023 (maximise to explore, arXiv:2305.18258), of which
`mex` is the form for tables; Zhang, Zhang and Gu 2023 (reward-free exploration, arXiv:2303.10165), of whose
value-targeted pseudo-rewards `value_targeted` is the form for tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.maths.tables import best_within, occupancies
from rewardlab.types import Array, Mdp

_PLANS = 30  # of mex at most: it climbs, and ends where nothing changes


@dataclass(frozen=True)
class Counts:
    """What was seen: how often each pair was tried [S, A], what it paid in all [S, A], where it led [S, A, S] (ends of
    episodes before the last step are missing there), and where episodes began [S].
    """

    tried: Array
    paid: Array
    led: Array
    begun: Array

    @property
    def model(self) -> Mdp:
        """Means and shares; zero where nothing was tried."""
        often = np.maximum(self.tried, 1.0)
        start = self.begun / max(1.0, float(self.begun.sum()))
        return Mdp(self.led / often[..., None], self.paid / often, start)


def optimistic(model: Mdp, bonus: Array, known: Array, most: Array) -> Array:
    """Backward induction with a bonus [H, S, A] or [S, A], cut to what the steps that are left can pay at most; pairs
    that are not `known`, bool [S, A], are worth that.
    """
    horizon = len(most)
    found = np.empty((horizon, *model.reward.shape))
    bonuses, following = np.broadcast_to(bonus, found.shape), np.zeros(len(model.start))
    for h in reversed(range(horizon)):
        worth = model.reward + bonuses[h] + model.chance @ following
        found[h] = np.where(known, np.minimum(worth, most[h]), most[h])
        following = found[h].max(axis=1)
    return found


def rmax(counts: Counts, most: Array, m: int) -> Array:
    """Pairs are known that were tried m times."""
    return optimistic(counts.model, np.zeros_like(counts.paid), counts.tried >= m, most)


def greedy(counts: Counts, most: Array) -> Array:
    """What was never tried is worth nothing."""
    model = counts.model
    return best_within(model, model.reward, len(most))


def ucbvi(counts: Counts, most: Array, c: float) -> Array:
    """A bonus of c / sqrt(n) + most / n, no more than `most`."""
    often = np.maximum(counts.tried, 1.0)
    bonus = np.minimum(c / np.sqrt(often) + most[:, None, None] / often, most[:, None, None])
    return optimistic(counts.model, bonus, counts.tried > 0, most)


def psrl(counts: Counts, horizon: int, alpha: float, rng: np.random.Generator) -> Array:
    """The best plan of a table that is drawn from its posterior: Dirichlet(alpha) where pairs lead, N(0, 1) what they
    pay, of noise of variance 1.
    """
    often = np.maximum(counts.tried, 1.0)
    share = np.where(counts.tried > 0, counts.led.sum(axis=2) / often, 1.0)  # of going on
    drawn = rng.standard_gamma(alpha + counts.led)
    chance = drawn / np.maximum(drawn.sum(axis=2, keepdims=True), np.finfo(np.float64).tiny) * share[..., None]
    reward = rng.normal(counts.paid / (1.0 + counts.tried), 1.0 / np.sqrt(1.0 + counts.tried))
    return best_within(Mdp(chance, reward, counts.begun), reward, horizon)


def rlsvi(counts: Counts, most: Array, c: float, rng: np.random.Generator) -> Array:
    """The best plan where every pair's reward is off by N(0, c^2 / n) at every step; what was never tried is worth
    N(0, most^2).
    """
    model, horizon = counts.model, len(most)
    noise = rng.standard_normal((horizon, *counts.paid.shape))
    spread = np.where(counts.tried > 0, c / np.sqrt(np.maximum(counts.tried, 1.0)), most[:, None, None])
    return best_within(model, model.reward + spread * noise, horizon)


def mex(counts: Counts, most: Array, eta: float) -> Array:
    """A plan of large J + sum d^2 / (4 eta n), d [H, S, A] its occupancy in what was counted: a local maximum.

    The largest is max_Q of V(start) - eta sum n (Q - TQ)^2. Each plan has bonuses d / (2 eta n) of the one before, so
    that the sum never falls while no value is cut; the first has 1 / (4 eta n), which is exact where episodes have one
    step.
    """
    model, known = counts.model, counts.tried > 0
    weight = np.where(known, 1.0 / (4.0 * eta * np.maximum(counts.tried, 1.0)), 0.0)
    bonus: Array = weight
    before: Array | None = None
    for _ in range(_PLANS):
        found = optimistic(model, bonus, known, most)
        chosen = found.argmax(axis=2)
        if before is not None and (chosen == before).all():
            break
        before = chosen
        bonus = 2.0 * weight * occupancies(model, np.eye(found.shape[2])[chosen], len(most))
    return found


def reward_free(counts: Counts, pseudo: Array, horizon: int) -> Array:
    """The best plan for a pseudo-reward [S, A] or [H, S, A] between 0 and 1 instead of what is paid."""
    model = counts.model
    nothing = Mdp(model.chance, np.zeros_like(model.reward), model.start)
    return optimistic(nothing, pseudo, counts.tried > 0, horizon - np.arange(horizon, dtype=np.float64))


def one_over_n(counts: Counts) -> Array:
    """A pseudo-reward [S, A]: 1 / (n + 1), so that a first try pays more than a second one."""
    return 1.0 / (1.0 + counts.tried)


def value_targeted(inverse: Array, values: Array, beta: float) -> Array:
    """A pseudo-reward [S, A]: min(1, beta max_V ||V||) over the values V of a plan at each step, ||.|| by the matrix of
    each pair: how little is known of V where the pair leads.

    Args:
        inverse: float [S, A, S, S], of 1 + sum V V', a term for each try: what `took` keeps.
        values: float [H, S], between 0 and 1.
    """
    squared = np.einsum("ht,saht->sah", values, np.einsum("saut,hu->saht", inverse, values))
    found: Array = np.minimum(1.0, beta * np.sqrt(squared.max(axis=2).clip(0.0)))
    return found


def took(inverse: Array, value: Array) -> None:
    """Add a try to the matrix of its pair, [S, S], in place: V [S] was regressed on (Sherman and Morrison)."""
    turned = inverse @ value
    inverse -= np.outer(turned, turned) / (1.0 + value @ turned)
