"""Which of the discrete actions are allowed, as rows of 0 and 1."""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array


def nth_allowed(mask: Array, n: Array) -> Array:
    """The action that comes n-th among those allowed, counted from 0 and round again after the last: int64 [B].

    Args:
        mask: [B, A], 0 or 1, a 1 in every row. n: int64 [B], >= 0.
    """
    so_far = mask.cumsum(axis=1, dtype=np.int64)
    found: Array = (so_far <= (n % so_far[:, -1])[:, None]).sum(axis=1)
    return found
