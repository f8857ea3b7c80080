"""Who is beaten by nobody where several things count."""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array


def undominated(values: Array) -> Array:
    """The first Pareto front: those than whom nobody is better in one thing and as good in all others, bool [P].

    Equals do not beat one another.

    Args:
        values: float [P, M], of which more is better.
    """
    found = np.empty(len(values), dtype=bool)
    for row, mine in enumerate(values):
        found[row] = not ((values >= mine).all(axis=1) & (values > mine).any(axis=1)).any()
    return found
