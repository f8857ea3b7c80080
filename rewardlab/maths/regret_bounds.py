"""What no rule of bandits that does well on all problems can fall below, for many pulls.

Source: Lai and Robbins 1985, Asymptotically efficient adaptive allocation rules, theorem 1
"""

import numpy as np

from rewardlab.types import Array


def bernoulli_divergence(p: Array | float, q: Array | float) -> Array:
    """KL(p || q) of two coins; infinite where one side cannot come up in q and does in p."""
    first, second = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = ((first, second), (1.0 - first, 1.0 - second))
        sides = [np.where(a > 0, a * (np.log(a) - np.log(b)), 0.0) for a, b in pairs]
    return np.asarray(sides[0] + sides[1])


def normal_divergence(mean: Array | float, other: Array | float, variance: float) -> Array:
    """KL of N(mean, variance) from N(other, variance)."""
    return np.asarray((np.asarray(mean) - other) ** 2 / (2.0 * variance))


def lai_robbins(means: Array, pulls: int, variance: float | None = None) -> float:
    """ln T times the sum of gap / KL over the arms that are not best.

    Args:
        means: [K], of coins; with `variance`, of normal arms.
        pulls: T.
    """
    best = float(means.max())
    worse = means[means < best]
    apart = bernoulli_divergence(worse, best) if variance is None else normal_divergence(worse, best, variance)
    return float(np.log(pulls) * ((best - worse) / apart).sum())
