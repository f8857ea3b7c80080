"""Answers about subgoals without a model: exact lists, and wrong positions as often and as far off as models gave them.

Source: Ruiz-Gonzalez et al. 2024, Words as Beacons (arXiv:2410.08632): of KeyCorridorS3R3, what share of positions was
right, and mean and standard deviation of the error in cells, right ones included. Its scripts shift a wrong position to
the east alone; here it is wrong in any direction, and always wrong. A grid has an end, so that large errors of a small
grid come out smaller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.language.model import Message, Purpose
from rewardlab.maths.subgoals import exact_list, moved_cell
from rewardlab.types import Array


@dataclass(frozen=True)
class Measured:
    """Of one model: share of positions that are right, mean and standard deviation of all errors, in cells."""

    accuracy: float
    mean: float
    std: float

    @property
    def of_wrong(self) -> tuple[float, float]:
        """Mean and standard deviation of the errors of those that are wrong, the others being 0."""
        wrong = 1.0 - self.accuracy
        mean = self.mean / wrong
        return mean, math.sqrt(max(0.0, (self.std**2 + self.mean**2) / wrong - mean**2))


MODELS = {
    "llama": Measured(0.974, 0.18, 1.20),
    "deepseek": Measured(0.334, 2.57, 2.54),
    "qwen": Measured(0.981, 0.07, 0.63),
}


class SubgoalAnswers:
    """Writes a list for each level, by the seed and the level alone.

    Args:
        grids: of each level, uint8 [W, H, 3]. errors: None: there are none.
    """

    def __init__(self, grids: Mapping[int, Array], errors: Measured | None, seed: int) -> None:
        self._grids, self._errors, self._seed = grids, errors, seed

    def __call__(self, messages: Sequence[Message], purpose: Purpose) -> str:
        grid = self._grids[purpose.round]
        cells = exact_list(grid)
        if self._errors is not None:
            rng = np.random.default_rng([self._seed, purpose.round])
            cells = [self._said(grid, cell, self._errors, rng) for cell in cells]
        height = grid.shape[1]
        return f"One after the other: {[list(divmod(cell, height)) for cell in cells]}"

    def _said(self, grid: Array, cell: int, errors: Measured, rng: np.random.Generator) -> int:
        if rng.random() < errors.accuracy:
            return cell
        steps = rng.normal(*errors.of_wrong)
        return moved_cell(grid, cell, max(1.0, steps), lambda below: int(rng.integers(below)))
