"""Which places a run has come to."""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array

_CELLS = 50  # of each side, as in the scripts of SERENE and STAX


class Coverage:
    """The share of cells of the first two dimensions in which any individual ended its life.

    Args:
        bounds: of places, [D] each.

    Attributes:
        cells: bool [50, 50], or [50] where places have one dimension.
    """

    def __init__(self, bounds: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
        self._low, self._high = (np.array(bound[:2], dtype=np.float64) for bound in bounds)
        self.cells = np.zeros((_CELLS,) * len(self._low), dtype=bool)

    def add(self, places: Array) -> None:
        """Of lives, float [P, E, S, D]: the last of each."""
        ends = places[:, :, -1, : len(self._low)].reshape(-1, len(self._low))
        at = (_CELLS * (ends - self._low) / (self._high - self._low)).astype(np.int64).clip(0, _CELLS - 1)
        self.cells[tuple(at.T)] = True

    @property
    def share(self) -> float:
        return float(self.cells.mean())
