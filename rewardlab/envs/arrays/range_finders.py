"""Distances of points to walls, compiled: along rays, and the nearest."""

import math

import numpy as np

from rewardlab.kernel_cache import kept
from rewardlab.types import Array


def _nearest_walls(at: Array, angles: Array, walls: Array, farthest: float, found: Array) -> None:  # pragma: no cover
    """found [N, K], filled: along each ray."""
    for i in range(angles.shape[0]):
        for k in range(angles.shape[1]):
            along_x, along_y = math.cos(angles[i, k]), math.sin(angles[i, k])
            best = farthest
            for w in range(walls.shape[0]):
                from_x, from_y = walls[w, 0] - at[i, 0], walls[w, 1] - at[i, 1]
                wall_x, wall_y = walls[w, 2] - walls[w, 0], walls[w, 3] - walls[w, 1]
                cross = along_x * wall_y - along_y * wall_x
                if cross == 0.0:
                    continue
                distance = (from_x * wall_y - from_y * wall_x) / cross
                share = (from_x * along_y - from_y * along_x) / cross
                if 0.0 <= share <= 1.0 and 0.0 <= distance < best:
                    best = distance
            found[i, k] = best


def _ways_are_clear(at: Array, walls: Array, size: float, found: Array) -> None:  # pragma: no cover
    """found bool [N], filled."""
    for i in range(at.shape[0]):
        found[i] = True
        for w in range(walls.shape[0]):
            wall_x, wall_y = walls[w, 2] - walls[w, 0], walls[w, 3] - walls[w, 1]
            from_x, from_y = at[i, 0] - walls[w, 0], at[i, 1] - walls[w, 1]
            share = (from_x * wall_x + from_y * wall_y) / (wall_x * wall_x + wall_y * wall_y)
            share = min(max(share, 0.0), 1.0)
            gap_x, gap_y = from_x - share * wall_x, from_y - share * wall_y
            if gap_x * gap_x + gap_y * gap_y < size * size:
                found[i] = False


_rays, _clear = kept(_nearest_walls), kept(_ways_are_clear)


def nearest_walls(at: Array, angles: Array, walls: Array, farthest: float) -> Array:
    """How far walls are along rays, float64 [N, K], `farthest` at most.

    Args:
        at: float64 [N, 2]. angles: float64 [N, K], radians. walls: float64 [W, 4], from x, y to x, y.
    """
    found = np.empty(angles.shape)
    _rays(at, angles, walls, farthest, found)
    return found


def way_is_clear(at: Array, walls: Array, size: float) -> Array:
    """Whether places [N, 2] are no nearer than `size` to any wall, bool [N]."""
    found = np.empty(len(at), dtype=bool)
    _clear(at, walls, size, found)
    return found
