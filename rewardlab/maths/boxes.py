"""Actions within a box: its units, which one is executed, and uniformly random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Numbers = TypeVar("Numbers", bound=Any)  # a numpy array or a tensor
_WIDEST = 1e30  # a reach beyond it stands for no bounds, and what is drawn within it would overflow a float32


def units(low: Sequence[float], high: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle and reach of a box, float64 [A] each: middle + reach * u lies within it for u in [-1, 1].

    They are 0 and 1, which change nothing, where a dimension lacks a bound. Where both are the same the reach is 1.
    """
    least, most = np.asarray(low, np.float64), np.asarray(high, np.float64)
    with np.errstate(invalid="ignore"):  # half of infinity less the same
        reach, middle = most / 2 - least / 2, most / 2 + least / 2
    bounded = np.isfinite(reach) & (reach < _WIDEST)
    return np.where(bounded, middle, 0.0), np.where(bounded & (reach > 0), reach, 1.0)


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
