"""Which places a run has come to, and the best return of each: the same measure for every agent."""

from __future__ import annotations

import numpy as np

from rewardlab.parts.archives.cells import cells_of
from rewardlab.types import Array

CELLS = 50  # of each side, as in the scripts of SERENE and STAX


class Coverage:
    """The best return of the lives that ended in each cell of the first two dimensions of places.

    Args:
        bounds: of places, [D] each.

    Attributes:
        best: float64 [50, 50], the first dimension first, or [50] where places have one; NaN where nobody ended.
    """

    def __init__(self, bounds: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
        self._low, self._high = (np.array(bound[:2], dtype=np.float64) for bound in bounds)
        self.best = np.full((CELLS,) * len(self._low), np.nan)

    @property
    def bounds(self) -> Array:
        """Of the cells: least and largest place, float64 [2, 2] or [2, 1]."""
        return np.stack([self._low, self._high])

    def add(self, places: Array, returns: Array) -> None:
        """Of lives, float [P, E, S, D], of which the last of each counts, and what they were paid, [P, E]."""
        ends = places[:, :, -1, : len(self._low)].reshape(-1, len(self._low))
        cells = cells_of((ends - self._low) / (self._high - self._low), CELLS)
        np.fmax.at(self.best.reshape(-1), cells, returns.ravel())

    @property
    def share(self) -> float:
        """Of the cells that were reached."""
        return float(np.isfinite(self.best).mean())

    def qd_score(self, lowest: float) -> float:
        """The sum over cells of the best return above `lowest`, the lowest that there may be."""
        return float(np.nansum(self.best - lowest))
