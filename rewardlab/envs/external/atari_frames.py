"""What the emulator draws as what is seen: the brighter of two frames, shrunk, put behind earlier ones; compiled.

Shrinking is OpenCV's INTER_AREA to the bit, which Atari's usual preprocessing calls: weights and sums are float32,
first along a row, then down the rows, and a tie between two whole numbers goes to the even one.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from rewardlab.kernel_cache import kept
from rewardlab.types import Array

SIDE = 84  # pixels of what is seen, as in Mnih et al. 2015
_LEAST_SHARE = 1e-3  # of a pixel: OpenCV leaves smaller ones out


def shrunk(screens: Array, found: Array) -> None:
    """The brighter of two frames, shrunk.

    Args:
        screens: uint8 [K, H, W], the last K frames, 1 or 2. found: uint8 [84, 84], filled.
    """
    height, width = screens.shape[1:]
    _shrink(screens[0], screens[-1], *_shares(height), *_shares(width), found)


def push(frame: Array, stack: Array) -> None:
    """Let a frame [84, 84] follow the others of a stack [84, 84, F], of which the oldest goes."""
    _push(frame, stack)


@lru_cache
def _shares(have: int) -> tuple[Array, Array]:
    """Of the 84 pixels of a side, the old ones that each is made of, int64 [T, 84], and their weights, float32 [T, 84];
    0 where it is made of fewer than others.
    """
    scale = have / SIDE
    of, weight = np.zeros((math.ceil(scale) + 1, SIDE), dtype=np.int64), np.zeros((math.ceil(scale) + 1, SIDE))
    for new in range(SIDE):
        begin, end = new * scale, (new + 1) * scale
        width = min(scale, have - begin)
        last = min(math.floor(end), have - 1)
        first = min(math.ceil(begin), last)
        parts = [(old, 1.0 / width) for old in range(first, last)]
        if first - begin > _LEAST_SHARE:
            parts.insert(0, (first - 1, (first - begin) / width))
        if end - last > _LEAST_SHARE:
            parts.append((last, min(end - last, 1.0, width) / width))
        for t, (old, share) in enumerate(parts):
            of[t, new], weight[t, new] = old, share
    return of, weight.astype(np.float32)


def _shrink_kernel(
    one: Array, other: Array, row_of: Array, row_weight: Array, of: Array, weight: Array, found: Array
) -> None:  # pragma: no cover
    """one, other: uint8 [H, W]; rows and columns as `_shares` has them; found: uint8 [84, 84], filled."""
    width, size = one.shape[1], found.shape[1]
    line, row, total = np.empty(width, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    held = -1  # the row of the frames that `row` is of
    for new in range(found.shape[0]):
        total[:] = np.float32(0.0)
        for s in range(row_of.shape[0]):
            beta = row_weight[s, new]
            if beta == np.float32(0.0):
                continue
            y = row_of[s, new]
            same = held >= 0
            if same and y != held:  # rows of this console's pictures are often drawn twice and more
                unlike = 0
                for x in range(width):
                    unlike |= (one[y, x] ^ one[held, x]) | (other[y, x] ^ other[held, x])
                same = unlike == 0
            if not same:
                for x in range(width):
                    line[x] = np.float32(max(one[y, x], other[y, x]))
                row[:] = np.float32(0.0)
                for t in range(of.shape[0]):
                    for x in range(size):
                        row[x] += line[of[t, x]] * weight[t, x]
            held = y
            for x in range(size):
                total[x] += beta * row[x]
        for x in range(size):
            found[new, x] = np.uint8(np.rint(total[x]))


def _push_kernel(frame: Array, stack: Array) -> None:  # pragma: no cover
    flat, latest, count = stack.reshape(-1), frame.reshape(-1), stack.shape[2]
    for j in range(flat.size - 1):  # of each pixel, all but the oldest move on
        flat[j] = flat[j + 1]
    for j in range(latest.size):
        flat[j * count + count - 1] = latest[j]


_shrink = kept(_shrink_kernel, error_model="numpy")
_push = kept(_push_kernel)
