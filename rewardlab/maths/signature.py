"""Signatures of paths: iterated integrals, which tell paths apart but for their starts and their speed.

Source: Chen 1958, Integration of paths; Chevyrev and Kormilitzin 2016, A primer on the signature method in machine
learning (arXiv:1603.03788)
"""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array


def signature(paths: Array, order: int) -> Array:
    """Levels 1 to `order` of piecewise linear paths, one after another, each flattened with its last index fastest.

    A straight step by dx has the levels dx, dx dx / 2, dx dx dx / 6 (outer products). Chen's identity joins a path to a
    step: level k of the whole is the sum over j of level j of the path times level k - j of the step.

    Args:
        paths: float64 [N, T + 1, D].
        order: 1, 2 or 3.

    Returns:
        float64 [N, D + D^2 + ...].
    """
    count, dimensions = len(paths), paths.shape[2]
    first = np.zeros((count, dimensions))
    second = np.zeros((count, dimensions, dimensions))
    third = np.zeros((count, dimensions, dimensions, dimensions))
    for step in np.diff(paths, axis=1).swapaxes(0, 1):
        twice = step[:, :, None] * step[:, None, :]
        if order > 2:
            third += second[..., None] * step[:, None, None, :]
            third += (first[:, :, None, None] / 2 + step[:, :, None, None] / 6) * twice[:, None]
        if order > 1:
            second += first[:, :, None] * step[:, None, :] + twice / 2
        first += step
    levels = (first, second, third)[:order]
    return np.concatenate([level.reshape(count, -1) for level in levels], axis=1)


def log_signature(paths: Array) -> Array:
    """The logarithm of the signature up to order 2: where paths lead, and the area between each pair of coordinates.

    Args:
        paths: float64 [N, T + 1, D].

    Returns:
        float64 [N, D + D (D - 1) / 2], the pairs i < j in order: half of level 2 at (i, j) minus that at (j, i).
    """
    dimensions = paths.shape[2]
    both = signature(paths, 2)
    second = both[:, dimensions:].reshape(-1, dimensions, dimensions)
    rows, columns = np.triu_indices(dimensions, 1)
    areas = (second[:, rows, columns] - second[:, columns, rows]) / 2
    return np.concatenate([both[:, :dimensions], areas], axis=1)
