"""An archive with one place for each cell of a grid over descriptors: the best individual of every kind.

Source: Mouret and Clune 2015, Illuminating search spaces by mapping elites (arXiv:1504.04909); thresholds: Fontaine and
Nikolaidis 2023, Covariance matrix adaptation MAP-annealing (arXiv:2205.10752), with pyribs' rule for whole batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.errors import UserError
from rewardlab.parts.archives.cells import cells_of
from rewardlab.types import Array, State

MOST_CELLS = 10_000_000
_FIRST_ROWS = 256


@dataclass(frozen=True)
class Added:
    """What became of a batch, each judged against the archive as it was.

    Attributes:
        status: int64 [P]; 2: its cell was empty, 1: better than who had it, 0: neither.
        gain: float64 [P], by how much its value exceeds the threshold of its cell; in an empty cell, where there are no
            thresholds, the value itself.
    """

    status: Array
    gain: Array


def check_cells(bins: int, dimensions: int) -> None:
    """Raises:
    UserError: too many cells.
    """
    if bins**dimensions > MOST_CELLS:
        raise UserError(
            f"agent.bins={bins}: {bins}^{dimensions} cells are too many (at most {MOST_CELLS}); set fewer bins, or"
            " fewer levels"
        )


class GridArchive:
    """Individuals by cell.

    Args:
        bins: of each dimension of descriptors, which lie in [0, 1]; what lies outside counts as the border.
        dimensions: B.
        size: G, numbers of a genome.
        ties: whether an equal value replaces: where hardly anything is paid, nearly all are equal.
        rate: of thresholds; 1: an ordinary archive, whose threshold is the value of who is in the cell.
        lowest: threshold of an empty cell; below the lowest return, or nothing ever enters.

    Raises:
        UserError: too many cells.
    """

    def __init__(
        self, bins: int, dimensions: int, size: int, ties: bool = True, rate: float = 1.0, lowest: float = -np.inf
    ) -> None:
        check_cells(bins, dimensions)
        self._bins, self._dimensions, self._ties, self._rate = bins, dimensions, ties, rate
        self._row = np.full(bins**dimensions, -1, dtype=np.int64)
        self._threshold = np.full(bins**dimensions, lowest, dtype=np.float64)
        self._count = 0
        self._genomes = np.zeros((_FIRST_ROWS, size), dtype=np.float32)
        self._values = np.zeros(_FIRST_ROWS)
        self._cells = np.zeros(_FIRST_ROWS, dtype=np.int64)
        self._points = np.zeros((_FIRST_ROWS, dimensions))

    def __len__(self) -> int:
        return self._count

    @property
    def genomes(self) -> Array:
        """float32 [M, G], in the order in which cells were filled."""
        return self._genomes[: self._count]

    @property
    def values(self) -> Array:
        """float64 [M]."""
        return self._values[: self._count]

    @property
    def cells(self) -> Array:
        """Numbers of the cells, int64 [M]; the last dimension counts fastest."""
        return self._cells[: self._count]

    @property
    def points(self) -> Array:
        """Descriptors, float64 [M, B]."""
        return self._points[: self._count]

    def cells_of(self, descriptors: Array) -> Array:
        """int64 [P], of descriptors [P, B]."""
        return cells_of(descriptors, self._bins)

    def add(self, genomes: Array, values: Array, descriptors: Array) -> Added:
        """A batch: of several for one cell the best is kept, the first of equals."""
        cells = self.cells_of(descriptors)
        held, threshold = self._row[cells] >= 0, self._threshold[cells]
        beats = values >= threshold if self._ties and self._rate == 1.0 else values > threshold
        status = np.where(beats, np.where(held, 1, 2), 0)
        gain = np.where(np.isinf(threshold), values, values - np.where(np.isinf(threshold), 0.0, threshold))
        entering = np.flatnonzero(beats)
        if len(entering):
            order = entering[np.lexsort((entering, -values[entering], cells[entering]))]
            first = np.r_[True, cells[order][1:] != cells[order][:-1]]
            self._learn_thresholds(cells[order], values[order], first)
            self._put({"_genomes": genomes, "_values": values, "_cells": cells, "_points": descriptors}, order[first])
        return Added(status, gain)

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Genomes of uniformly drawn cells, float32 [count, G]."""
        return self.genomes[rng.integers(self._count, size=count)]

    def _learn_thresholds(self, cells: Array, values: Array, first: Array) -> None:
        """Of cells in groups, the best value of each first."""
        mine = cells[first]
        if self._rate == 1.0:
            self._threshold[mine] = values[first]
            return
        starts = np.flatnonzero(first)
        counts = np.diff(np.r_[starts, len(cells)])
        kept = (1.0 - self._rate) ** counts
        self._threshold[mine] = kept * self._threshold[mine] + (1.0 - kept) * np.add.reduceat(values, starts) / counts

    def _put(self, batch: dict[str, Array], chosen: Array) -> None:
        mine = batch["_cells"][chosen]
        new = self._row[mine] < 0
        total = self._count + int(new.sum())
        while total > len(self._genomes):
            for name in batch:
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        self._row[mine[new]] = np.arange(self._count, total)
        self._count = total
        rows = self._row[mine]
        for name, entry in batch.items():
            getattr(self, name)[rows] = entry[chosen]

    def state_dict(self) -> State:
        kept = {"genomes": self.genomes, "values": self.values, "cells": self.cells, "points": self.points}
        tensors = {name: torch.from_numpy(array.copy()) for name, array in kept.items()}
        return tensors | {"thresholds": torch.from_numpy(self._threshold[self.cells])}

    def load_state_dict(self, state: State) -> None:
        self._genomes, self._values, self._cells, self._points = (
            state[name].numpy().copy() for name in ("genomes", "values", "cells", "points")
        )
        self._count = len(self._cells)
        self._row[:] = -1
        self._row[self._cells] = np.arange(self._count)
        self._threshold[self._cells] = state["thresholds"].numpy()
        if not self._count:
            size = self._genomes.shape[1]
            self._genomes = np.zeros((_FIRST_ROWS, size), dtype=np.float32)
            self._values, self._cells = np.zeros(_FIRST_ROWS), np.zeros(_FIRST_ROWS, dtype=np.int64)
            self._points = np.zeros((_FIRST_ROWS, self._dimensions))
