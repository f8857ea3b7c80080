"""Cells of Go-Explore: coarse descriptions of states, and how often to return to them."""

from __future__ import annotations

import numpy as np

from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.types import Array


def downscaled_keys(images: Array, blocks: int, depth: int, high: int) -> Keys:
    """Keys of downscaled images: integers [B, H, W, C] in [0, high], or floats in [0, 1] with high=0, -> int64 [B].

    Each channel is averaged over `blocks` x `blocks` patches of nearly equal size (single pixels where the image is
    smaller) and cut to `depth` levels.

    Source: Ecoffet et al. 2021, First return, then explore, Methods, "Cell representations".
    """
    count, height, width, channels = images.shape
    rows, columns = (_patches(size, blocks) for size in (height, width))
    # First down, then across, as products of small matrices: sums of integers are exact.
    down = rows @ images.reshape(count, height, width * channels).astype(np.float64)
    sums = columns @ down.reshape(count, len(rows), width, channels)
    means = sums / (rows.sum(axis=1)[:, None] * columns.sum(axis=1))[None, :, :, None]
    levels = np.minimum((means / (high + 1) * depth).astype(np.int64), depth - 1)
    return hash_rows(levels.reshape(len(images), -1))


def return_weights(seen: Array, group: Array, open_groups: Array) -> Array:
    """Probabilities of returning to cells, float64 [C]: proportional to 1 / sqrt(seen + 1) within a group, and equal
    in sum over the groups that are open.

    Source: Ecoffet et al. 2021, First return, then explore, Methods, "Cell selection".

    Args:
        seen: [C], how often each cell was met.
        group: int64 [C], the level of each cell.
        open_groups: bool [G], at least one true with cells in it.
    """
    weight = open_groups[group] / np.sqrt(seen + 1.0)
    sums = np.bincount(group, weight, minlength=len(open_groups))
    share = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)[group] * weight
    probabilities: Array = share / share.sum()
    return probabilities


def _patches(size: int, blocks: int) -> Array:
    """Which places each patch has, float64 [min(blocks, size), size] of 0 and 1."""
    count = min(blocks, size)
    edges = np.arange(count + 1) * size // count
    places = np.arange(size)
    return ((edges[:-1, None] <= places) & (places < edges[1:, None])).astype(np.float64)
