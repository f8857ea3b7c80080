"""How far points lie from the nearest others."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from rewardlab.types import Array

_AT_ONCE = 4_000_000  # distances


def novelty(points: Array, others: Array, k: int, own: Array | None = None) -> Array:
    """Mean Euclidean distance to the k nearest others, float64 [P]; of fewer, to what there is, and 0 where nobody is.

    Lehman and Stanley 2011, Abandoning objectives. Whom a point is not compared with is told by `own`: the authors of
    SERENE and STAX drop the nearest of all instead, which of points that are not among the others is a true neighbour.

    Args:
        points: float [P, B]. others: float [M, B].
        own: int64 [P], the row of each point in `others`, -1 where it is not there; None: none is.
    """
    found = np.zeros(len(points))
    size = max(1, _AT_ONCE // max(len(others), 1))
    for at in range(0, len(points), size):
        part = points[at : at + size]
        distances = cdist(part, others)
        counts = np.full(len(part), len(others))
        if own is not None:
            rows = np.flatnonzero(own[at : at + size] >= 0)
            distances[rows, own[at : at + size][rows]] = np.inf
            counts[rows] -= 1
        many = min(k, len(others))
        if many == 0:
            continue
        nearest = np.sort(np.partition(distances, many - 1, axis=1)[:, :many], axis=1)
        used = np.minimum(counts, k)
        sums = np.where(np.arange(many) < used[:, None], nearest, 0.0).sum(axis=1)
        found[at : at + size] = np.divide(sums, used, out=np.zeros(len(part)), where=used > 0)
    return found
