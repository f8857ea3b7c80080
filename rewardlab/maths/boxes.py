"""Actions within a box: which one is executed, and uniformly random ones."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Numbers = TypeVar("Numbers", bound=Any)  # a numpy array or a tensor


def executed(action: Numbers, low: Numbers, high: Numbers, whole: bool = False) -> Numbers:
    """What a world does where `action` is asked for: the nearest within bounds, a whole number where it takes these.

    Args:
        action: [..., A]; a policy's Gaussian reaches beyond the bounds.
        low, high: [A], of the same kind.
    """
    within: Numbers = action.clip(low, high)
    rounded: Numbers = within.round() if whole else within
    return rounded


def drawn(
    low: NDArray[Any], high: NDArray[Any], count: int, rng: np.random.Generator, whole: bool = False
) -> NDArray[Any]:
    """Random actions float64 [count, A] between bounds [A]: uniform where there are two.

    From the only bound exponentially with mean 1, and standard normal where there is none, as gymnasium samples boxes.
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    margin = 0.5 if whole else 0.0  # each of the whole numbers is as likely
    share = rng.random((count, len(low)))
    far, normal = rng.exponential(size=share.shape), rng.normal(size=share.shape)
    below, above = np.isfinite(low), np.isfinite(high)
    least, most = np.where(below, low, 0.0), np.where(above, high, 0.0)
    between = (1.0 - share) * (least - margin) + share * (most + margin)
    found = np.where(below & above, between, np.where(below, least + far, np.where(above, most - far, normal)))
    return executed(found, low, high, whole)
