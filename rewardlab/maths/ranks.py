"""Ranks of values in place of values: what evolution strategies follow, and what says whether orders agree."""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array


def ranks(values: Array) -> Array:
    """float64 [P], from 0, the lowest; equal values have the mean of theirs. None of `values` [P] may be nan."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Array = (np.cumsum(counts) - (counts + 1) / 2)[which]
    return found


def centred_ranks(values: Array) -> Array:
    """Ranks from -0.5, the lowest, to 0.5, the highest, float64 [P]; 0 where there is one value only.

    Salimans et al. 2017, Evolution strategies as a scalable alternative to reinforcement learning (arXiv:1703.03864),
    section 2.1. Their code ranks equal values by their order, so that a task that pays nothing is a random walk.
    """
    if len(values) < 2:
        return np.zeros(len(values))
    centred: Array = ranks(values) / (len(values) - 1) - 0.5
    return centred


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's, in [-1, 1], of [P] each: the correlation of ranks. NaN where one of the two is constant."""
    first, second = ranks(one), ranks(other)
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / size if size > 0 else float("nan")
