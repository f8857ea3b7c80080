"""Cells of a grid over the unit cube: which one a point lies in."""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array


def cells_of(points: Array, bins: int) -> Array:
    """Numbers of cells, int64 [P]: the last dimension counts fastest.

    Args:
        points: float [P, B], in [0, 1]; what lies outside counts as the border.
        bins: of each dimension.
    """
    at = np.floor(points * bins).clip(0, bins - 1).astype(np.int64)
    cells: Array = at @ bins ** np.arange(points.shape[1] - 1, -1, -1)
    return cells
