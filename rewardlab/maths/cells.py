"""Cells of Go-Explore: coarse descriptions of states, and how often to return to them."""

from __future__ import annotations

import numpy as np

from rewardlab.maths.counting import Keys, hash_rows
from rewardlab.types import Array


def downscaled_keys(images: Array, blocks: int, depth: int, high: int) -> Keys:
    """Keys of downscaled images: integers [B, H, W, C] in [0, high] -> int64 [B].

    Each channel is averaged over `blocks` x `blocks` patches of nearly equal size (single pixels where the image is
    smaller) and cut to `depth` levels.

    Source: Ecoffet et al. 2021, First return, then explore, Methods, "Cell representations".
    """
    rows, columns = (_edges(size, blocks) for size in images.shape[1:3])
    sums = np.add.reduceat(np.add.reduceat(images.astype(np.float64), rows, axis=1), columns, axis=2)
    heights, widths = (np.diff([*edges, size]) for edges, size in zip((rows, columns), images.shape[1:3], strict=True))
    means = sums / (heights[:, None] * widths)[None, :, :, None]
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


def _edges(size: int, blocks: int) -> Array:
    """Where patches begin, int64 [min(blocks, size)]."""
    count = min(blocks, size)
    return np.arange(count) * size // count
