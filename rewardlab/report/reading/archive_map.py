"""The map of a population's `archive.npz`: the best return of each cell of places."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rewardlab.records.archive import ARCHIVE, load
from rewardlab.report.reading.plain import Unreadable, clean, read_bytes
from rewardlab.report.statistics import FloatArray

_ENTRIES = ("map", "bounds", "downwards", "whole")
_LIMIT = 1 << 30  # bytes of a file of which only a little is read
_MOST = 100  # cells of a side


@dataclass(frozen=True)
class Map:
    """Best returns by place.

    Attributes:
        best: [X, Y], the first number of places first; NaN where nobody ended.
        low, high: [2], the edges of the outermost cells.
        downwards: whether people see the second number grow downwards.
    """

    best: FloatArray
    low: FloatArray
    high: FloatArray
    downwards: bool


def read_map(run_folder: Path, root: Path) -> Map | None:
    """The map of a run, below a folder that links may not lead out of; None where places have not two dimensions.

    Raises:
        Unreadable: there is no archive, or it is damaged.
    """
    try:
        found = load(io.BytesIO(read_bytes(run_folder / ARCHIVE, root, _LIMIT)), _ENTRIES, _MOST**2)
    except ValueError as problem:
        raise Unreadable(clean(str(problem), 200)) from None
    if "map" not in found or found["map"].ndim != 2:
        return None
    best, bounds = found["map"], found.get("bounds", np.empty(0))
    usable = bounds.shape == (2, 2) and np.isfinite(bounds).all() and (bounds[1] > bounds[0]).all()
    if best.dtype != np.float64 or not best.size or max(best.shape) > _MOST or not usable:
        raise Unreadable(f"{ARCHIVE} holds no map of places")
    best, (low, high) = np.where(np.isfinite(best), best, np.nan), bounds.astype(np.float64)
    whole = found.get("whole", np.empty(0))
    if whole.shape == (2,) and (whole > 1).all() and (whole <= best.shape).all():  # places are whole numbers
        rows = [
            np.minimum(np.floor(side * (np.arange(count) / (count - 1))), side - 1).astype(np.intp)
            for side, count in zip(best.shape, whole.tolist(), strict=True)
        ]
        best, low, high = best[np.ix_(*rows)], low - 0.5, high + 0.5
    return Map(best, low, high, bool(found.get("downwards", False)))
