"""Crafter's score: one number of how often each of several achievements is unlocked."""

import numpy as np

from rewardlab.types import Array


def score(shares: Array) -> float:
    """The geometric mean of the per cent of episodes that unlock each achievement, each one up by 1.

    Rare achievements weigh as much as common ones: from 0 to 1 % counts as much as from 49 to 99 %.

    Args:
        shares: float [K], of all training episodes within the budget, 0 to 1.

    Returns:
        Per cent, 0 to 100.

    Source: Hafner 2021 (arXiv:2109.06780), section 3.3.
    """
    return float(np.expm1(np.log1p(100.0 * np.asarray(shares, dtype=np.float64)).mean()))
