"""What sets of points are worth, where more of the same is worth less: monotone submodular functions.

S points; a set is a row of bool [N, S]. Each function gives float64 [N], 0 for the empty set.

Source: Prajapat et al. 2024, Submodular reinforcement learning (arXiv:2307.13372), section 2
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from rewardlab.types import Array

JITTER = 1e-6  # variance of the noise with which a point is measured
Objective = Callable[[Array], Array]


def cover(near: Array, weights: Array) -> Objective:
    """The weights of all points that lie near one of the set.

    Args:
        near: bool [S, S], whether the second is near the first. weights: float [S], none below 0.
    """
    return partial(_cover, near.astype(np.float64), weights)


def items(kinds: Array, enough: int) -> Objective:
    """How many items are in the set, of each kind no more than `enough`.

    Args:
        kinds: int [S], the kind of the item at each point, -1 for none.
    """
    return partial(_items, (kinds[:, None] == np.arange(max(1, kinds.max() + 1))).astype(np.float64), enough)


def entropy(kernel: Array) -> Objective:
    """log det(K + 1e-6) / 2 of the set, and log(1e6) / 2 for each of its points: the entropy of a Gaussian process that
    is measured there, shifted so that no point takes anything away.

    Args:
        kernel: float [S, S], its covariance.
    """
    return partial(_entropy, kernel)


def marginals(objective: Objective, held: Array) -> Array:
    """What each point would add to a set, float64 [S]; 0 for those in it.

    Args:
        held: bool [S].
    """
    each = held | np.eye(len(held), dtype=bool)
    gained: Array = objective(each) - objective(held[None])
    return np.where(held, 0.0, gained)


def radial(places: Array, scale: float) -> Array:
    """exp(-d^2 / (2 scale^2)) between places float [S, D]: float64 [S, S]."""
    squared = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    found: Array = np.exp(-0.5 * squared / scale**2)
    return found


def _cover(near: Array, weights: Array, held: Array) -> Array:
    found: Array = (held @ near > 0) @ weights
    return found


def _items(of_kind: Array, enough: int, held: Array) -> Array:
    found: Array = np.minimum(held @ of_kind, enough).sum(axis=1)
    return found


def _entropy(kernel: Array, held: Array) -> Array:
    counts = held.sum(axis=1)
    most = int(counts.max(initial=0))
    if most == 0:
        return np.zeros(len(held))
    first = np.argsort(~held, axis=1, kind="stable")[:, :most]  # the points of each set, then others
    real = np.arange(most) < counts[:, None]
    both = real[:, :, None] & real[:, None, :]
    block = np.where(both, kernel[first[:, :, None], first[:, None, :]], 0.0)
    block[:, np.arange(most), np.arange(most)] += np.where(real, JITTER, 1.0)
    return np.asarray(0.5 * np.linalg.slogdet(block)[1] - 0.5 * np.log(JITTER) * counts)
