"""Mazes drawn step by step, a cell an action: what a teacher that learns acts on.

The rules of Dennis et al. 2020, Emergent complexity and zero-shot transfer via unsupervised environment design
(goal_first), and of facebookresearch/dcd (walls_first).
"""

from __future__ import annotations

import numpy as np

from rewardlab.gridworld.mazes import Mazes, free_cells
from rewardlab.types.aliases import Array

ORDERS = ("walls_first", "goal_first")
WALL, GOAL, AGENT = range(3)  # channels of what is seen


class MazeDrawing:
    """N empty squares, on which each action names a cell: for a wall, the goal or the agent, by turns.

    walls_first: the walls, the goal, the agent; the last two take a wall away where they come. goal_first: the goal,
    the agent, the walls; a wall on either does nothing, as a wall on a wall does. The agent named where the goal is
    goes to a random free cell. Headings are random.

    Args:
        size: side of the square.
        walls: turns for walls of each maze.
        vary: fewer walls: the first action's cell, times `walls` by the number of cells and cut to a whole number, says
            how many of the turns there are; it is an action like any other, too.

    Attributes:
        most: turns of the longest drawing. cells: what an action is below.
        turn: the number of the next one. taken: turns of all together.
        shape: height, width and channels of what is seen.
    """

    def __init__(
        self, count: int, size: int, order: str, walls: int, rng: np.random.Generator, *, vary: bool = False
    ) -> None:
        self.most, self.cells, self.turn, self.taken = walls + 2, size * size, 0, 0
        self.shape = (size + 2, size + 2, 3)
        self._order, self._vary, self._rng, self._size, self._budget = order, vary, rng, size, walls
        self._every = np.arange(count)
        self._walls = np.zeros((count, self.cells), dtype=np.bool_)
        self._goal, self._start = np.full(count, -1), np.full(count, -1)
        self._heading = rng.integers(4, size=count)
        self._turns = np.full(count, self.most)

    @property
    def open(self) -> Array:
        """Which still take actions, bool [N]."""
        return self.turn < self._turns

    def seen(self) -> Array:
        """uint8 [N, size + 2, size + 2, 3]: where walls are, those around it too, where the goal, where the agent."""
        shown = np.zeros((len(self._every), *self.shape), dtype=np.uint8)
        shown[..., WALL] = 1
        shown[:, 1:-1, 1:-1, WALL] = self._walls.reshape(-1, self._size, self._size)
        for channel, place in ((GOAL, self._goal), (AGENT, self._start)):
            there = np.flatnonzero(place >= 0)
            shown[there, place[there] // self._size + 1, place[there] % self._size + 1, channel] = 1
        return shown

    def act(self, cell: Array) -> None:
        """A turn of all that are open.

        Args:
            cell: int64 [N].
        """
        if self._vary and self.turn == 0:
            self._turns = cell * self._budget // self.cells + 2
        left, is_open = self._turns - self.turn, self.open
        last = self._order == "walls_first"
        for_goal = is_open & (left == 2 if last else self.turn == 0)
        for_agent = is_open & (left == 1 if last else self.turn == 1)
        for_wall = is_open & ~for_goal & ~for_agent & (cell != self._goal) & (cell != self._start)
        self._walls[self._every[for_wall], cell[for_wall]] = True
        self._goal[for_goal] = cell[for_goal]
        self._start[for_agent] = cell[for_agent]
        clash = for_agent & (self._start == self._goal)
        self._start[clash] = free_cells(self._walls[clash], self._goal[clash], self._rng)
        for placed, place in ((for_goal, self._goal), (for_agent, self._start)):
            self._walls[self._every[placed], place[placed]] = False
        self.turn += 1
        self.taken += int(is_open.sum())

    def mazes(self) -> Mazes:
        """What was drawn, when nothing is open any more."""
        assert not self.open.any()
        walls = self._walls.reshape(-1, self._size, self._size).copy()
        return Mazes(walls, self._start.copy(), self._heading, self._goal.copy())
