"""Curious tasks: a random walk explores each maze, and the task is to get where a piece of it led

Paper: Mai et al. 2025, CuES: a curiosity-driven and environment-grounded synthesis framework (arXiv:2512.01311)
Assumes: level_design

Explore first, then make a task of what was found to be possible: of each walk a piece of at most `reach` actions is
drawn; the agent begins where the piece did, and the goal is where it ended. Such a task can be solved by what was done.
Pieces that end where they began are drawn anew; a walk that never leaves its cell, as where the agent is walled in,
keeps the task that was drawn.

What differs: the explorer is a random walk with the maze's own rules instead of a language model, and takes no frames.
Tasks are not told in words, so that there are no hints in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardlab.curricula.drawn_levels import DrawnConfig
from rewardlab.gridworld.mazes import Mazes
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Played, Round, State
from rewardlab.types.levels import NEW

VERSION = 1
_TRIES = 100


@dataclass
class Config(DrawnConfig):
    explored: int = option(200, "actions of each walk", above=0)
    reach: int = option(50, "actions of a piece of it, at most", above=0)


class Designer:
    """It keeps nothing."""

    turns: ClassVar[dict[str, str]] = {"on_policy": "level_rounds"}
    students = 1
    assumes = frozenset({"level_design"})
    metrics: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: mazes of this size can't be drawn so.
        """
        config.check_size(context.spec.mazes)
        self._config, self._size = config, context.spec.mazes

    def design(self, count: int, rng: np.random.Generator) -> Round:
        levels = self._config.draw(count, self._size, rng)
        cells, headings = walked(levels, self._config.explored, rng)
        start, heading, goal = levels.start.copy(), levels.heading.copy(), levels.goal.copy()
        left = np.arange(count)
        for _ in range(_TRIES):
            began = rng.integers(len(cells), size=len(left))
            ended = np.minimum(began + rng.integers(1, self._config.reach + 1, size=len(left)), len(cells) - 1)
            moved = cells[began, left] != cells[ended, left]
            some, at, to = left[moved], began[moved], ended[moved]
            start[some], heading[some], goal[some] = cells[at, some], headings[at, some], cells[to, some]
            left = left[~moved]
        return Round((Mazes(levels.walls, start, heading, goal),), (np.full(count, -np.inf),), True, NEW)

    def only_tried(self, count: int) -> int:
        return 0

    def played(self, round_: Round, played: Sequence[Played]) -> Metrics:
        return {}

    def update(self, progress: float) -> Metrics:
        return {}

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None: ...


def walked(levels: Mazes, steps: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Walks of uniformly random turns and steps from the starts, which goals don't end.

    Returns:
        cells and headings, int64 [T + 1, M] both.
    """
    every, (_, height, width) = np.arange(len(levels)), levels.walls.shape
    cells, headings = np.empty((2, steps + 1, len(levels)), dtype=np.int64)
    cells[0], headings[0] = levels.start, levels.heading
    for t in range(steps):
        action, cell, way = rng.integers(3, size=len(levels)), cells[t], headings[t]
        x = cell % width + (way == 0) - (way == 2)
        y = cell // width + (way == 1) - (way == 3)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        ahead = np.where(inside, y * width + x, cell)
        free = inside & ~levels.walls.reshape(len(levels), -1)[every, ahead]
        cells[t + 1] = np.where((action == 2) & free, ahead, cell)
        headings[t + 1] = np.where(action == 2, way, (way + np.where(action == 1, 1, 3)) % 4)
    return cells, headings
