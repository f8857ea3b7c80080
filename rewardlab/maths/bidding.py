"""Bidding in N second-price auctions with a budget, solved exactly: who bids at least the price pays it.

An auction has a price d, of 0 to D with probabilities `price` [D + 1], and independent of it a click rate, `rate` [K]
with probabilities `chance` [K]. A won auction is worth its rate, the clicks that are expected. Bids are whole numbers;
what is left of the budget B, a whole number, is the most that can be paid. Tables are [N + 1, B + 1]: by the auctions
that are left and the budget that is left.

Source: Cai et al. 2017, Real-time bidding by reinforcement learning in display advertising (arXiv:1701.02490)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rewardlab.types import Array

RULES = ("rlb", "lin", "mcpc", "ss_mdp")


class Market(NamedTuple):
    """The law of auctions, and how many there are for how much."""

    price: Array
    rate: Array
    chance: Array
    auctions: int
    budget: int

    @property
    def mean_rate(self) -> float:
        return float(self.rate @ self.chance)

    @property
    def mean_price(self) -> float:
        return float(self.price @ np.arange(len(self.price)))

    def averaged(self) -> Market:
        """As if every auction had the mean rate."""
        return self._replace(rate=np.array([self.mean_rate]), chance=np.ones(1))


def best_values(market: Market) -> Array:
    """V [N + 1, B + 1]: the most clicks that can be expected, by V(n, b) = E max_a of winning all prices up to a."""
    return _through(market, lambda n, gains: gains.max(axis=2))


def worth(market: Market, bids: Array) -> Array:
    """The clicks that are expected of bids, int64 [N + 1, B + 1, K]: [N + 1, B + 1]; no bid is above what is left."""
    return _through(market, lambda n, gains: np.take_along_axis(gains, bids[n].T[..., None], axis=2)[..., 0])


def random_worth(market: Market) -> Array:
    """The same of bids that are drawn from 0 to D, each as likely."""
    return _through(market, lambda n, gains: gains.mean(axis=2))


def gains_of(market: Market, values: Array) -> Array:
    """What bids add to losing, [K, B + 1, D + 1], where values [B + 1] come after; above what is left as at it."""
    losses = _losses(market, values)
    taken = np.where(np.isfinite(losses), market.price * losses, 0.0).cumsum(axis=1)
    within = np.where(np.isfinite(losses), market.price, 0.0).cumsum(axis=1)
    found: Array = market.rate[:, None, None] * within - taken
    return found


def bids_by(market: Market, values: Array, rate: Array) -> Array:
    """The largest price that is worth its click and what it leaves, int64 [N + 1, B + 1, K], for rates [K]; 0 at n = 0.

    Args:
        values: V, of `market` or of one that stands for it.
    """
    found = np.zeros((*values.shape, len(rate)), dtype=np.int64)
    for n in range(1, len(values)):
        losses = _losses(market, values[n - 1])
        found[n] = (losses[..., None] <= rate).sum(axis=1) - 1
    return found


def linear_bids(market: Market, k: float, rate: Array) -> Array:
    """k * rate / mean rate, rounded down, whatever is left: int64 [N + 1, B + 1, K]."""
    bids = np.minimum(np.floor(k * rate / market.mean_rate + 1e-9), len(market.price) - 1).astype(np.int64)
    return np.broadcast_to(bids, (market.auctions + 1, market.budget + 1, len(rate)))


def rule_bids(market: Market, rule: str, rate: Array, full: bool = False, k: float | None = None) -> Array:
    """What a rule bids for rates [K]: int64 [N + 1, B + 1, K].

    Args:
        rule: rlb, by the values of an averaged market, or of the whole one where `full` is set, which is best; ss_mdp,
            likewise and blind to the rate at hand; lin, in proportion to the rate; mcpc, so with the mean price.
        k: of lin, the bid for the mean rate; None: `best_slope`.
    """
    if rule in ("rlb", "ss_mdp"):
        values = best_values(market if full else market.averaged())
        return bids_by(market, values, rate if rule == "rlb" else np.full(len(rate), market.mean_rate))
    if rule == "mcpc":
        k = market.mean_price
    elif k is None:
        k = float(best_slope(market))
    return linear_bids(market, k, rate)


def best_slope(market: Market) -> int:
    """The whole number k of which `linear_bids` are worth most: the best of every so many, then of those beside it."""
    most, every = len(market.price) - 1, max(1, round(len(market.price) ** 0.5))

    def best(slopes: range) -> int:
        return max(slopes, key=lambda k: float(worth(market, linear_bids(market, k, market.rate))[-1, -1]))

    coarse = best(range(1, most + 1, every))
    return best(range(max(1, coarse - every), min(most, coarse + every) + 1))


def _through(market: Market, choose: Callable[[int, Array], Array]) -> Array:
    """Values [N + 1, B + 1] of a way to bid, which says what of the gains of n auctions left it has: [K, B + 1]."""
    values = np.zeros((market.auctions + 1, market.budget + 1))
    for n in range(1, market.auctions + 1):
        values[n] = values[n - 1] + market.chance @ choose(n, gains_of(market, values[n - 1]))
    return values


def _losses(market: Market, values: Array) -> Array:
    """What a price takes from what comes after, V(b) - V(b - d): [B + 1, D + 1], infinite where d is above b."""
    left = np.arange(market.budget + 1)[:, None] - np.arange(len(market.price))
    return np.where(left >= 0, values[:, None] - values[np.maximum(left, 0)], np.inf)
