"""Mazes as arrays: a square of walls, one agent, one goal. What designers of levels draw, change, keep and measure.

Cells are those of the interior, numbered row by row; the engine's grid has a wall around it. A maze whose goal can't be
reached is a maze too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.errors import UserError
from rewardlab.gridworld.constants import EMPTY_CELL, GOAL, GOAL_CELL, NUM_MISSION, NUM_REGISTERS, WALL, WALL_CELL
from rewardlab.gridworld.named_mazes import HEADINGS, rows
from rewardlab.gridworld.state import State
from rewardlab.kernel_cache import kept
from rewardlab.types.aliases import Array


@dataclass(frozen=True)
class Mazes:
    """M mazes of one size.

    Attributes:
        walls: bool [M, h, w].
        start: int64 [M], the agent's cell.
        heading: int64 [M]: 0 right, 1 down, 2 left, 3 up.
        goal: int64 [M], its cell; never the agent's, and neither is a wall.
    """

    walls: Array
    start: Array
    heading: Array
    goal: Array

    def __len__(self) -> int:
        return len(self.walls)

    def __getitem__(self, where: Any) -> Mazes:
        """Those at `where`, int [K], bool [M] or a slice."""
        return Mazes(self.walls[where], self.start[where], self.heading[where], self.goal[where])

    def keys(self) -> list[bytes]:
        """What tells mazes apart, one for each."""
        flat = np.packbits(self.walls.reshape(len(self), -1), axis=1)
        rest = np.stack([self.start, self.heading, self.goal], axis=1).astype(np.int32)
        return [row.tobytes() + few.tobytes() for row, few in zip(flat, rest, strict=True)]


def joined(mazes: list[Mazes]) -> Mazes:
    """One batch of several of the same size."""
    return Mazes(*(np.concatenate([getattr(one, name) for one in mazes]) for name in Mazes.__dataclass_fields__))


def to_state(mazes: Mazes) -> State:
    """Entries of the engine's state (`gridworld.state`) at an episode's first step."""
    count, height, width = mazes.walls.shape
    cells = np.full((count, height + 2, width + 2), WALL_CELL, dtype=np.uint32)
    inside = np.where(mazes.walls, np.uint32(WALL_CELL), np.uint32(EMPTY_CELL))
    inside.reshape(count, -1)[np.arange(count), mazes.goal] = GOAL_CELL
    cells[:, 1:-1, 1:-1] = inside
    x, y = mazes.start % width + 1, mazes.start // width + 1
    visited = np.zeros((count, height + 2, width + 2), dtype=np.uint8)
    visited[np.arange(count), y, x] = 1
    return {
        "cells": cells.view(np.uint8).reshape(count, height + 2, width + 2, 4),
        "agent": np.stack([x, y, mazes.heading], axis=1).astype(np.int32),
        "carried": np.zeros((count, 4), dtype=np.uint8),
        "steps": np.zeros(count, dtype=np.int32),
        "mission": np.zeros((count, NUM_MISSION), dtype=np.int32),
        "registers": np.zeros((count, NUM_REGISTERS), dtype=np.int32),
        "visited": visited,
    }


def from_state(state: State) -> Mazes:
    """The mazes of a state whose levels are such.

    Raises:
        UserError: a level holds something else, or more than one goal.
    """
    kinds = state["cells"][:, 1:-1, 1:-1, 0]
    count, _, width = kinds.shape
    flat = kinds.reshape(count, -1)
    if not np.isin(flat, (EMPTY_CELL & 0xFF, WALL, GOAL)).all() or not ((flat == GOAL).sum(axis=1) == 1).all():
        raise UserError("mazes: a level is no maze; mazes hold walls and one goal")
    agent = state["agent"].astype(np.int64)
    start = (agent[:, 1] - 1) * width + agent[:, 0] - 1
    return Mazes(kinds == WALL, start, agent[:, 2], (flat == GOAL).argmax(axis=1))


# -- generators --------------------------------------------------------------------------------------------------------


def uniform(count: int, size: int, walls: Array, rng: np.random.Generator) -> Mazes:
    """The goal, the agent, then walls[m] distinct walls among the other cells, all uniform.

    Args:
        size: side of the interior.
        walls: int [M]; no more than size * size - 2.
    """
    order = rng.random((count, size * size)).argsort(axis=1)
    blocked = np.zeros((count, size * size), dtype=np.bool_)
    rank = np.arange(size * size)
    np.put_along_axis(blocked, order, (rank >= 2) & (rank < 2 + np.asarray(walls)[:, None]), axis=1)
    heading = rng.integers(4, size=count)
    return Mazes(blocked.reshape(count, size, size), order[:, 1], heading, order[:, 0])


def walls_first(count: int, size: int, walls: Array, rng: np.random.Generator) -> Mazes:
    """walls[m] walls, drawn with replacement; then the goal, then the agent, each anywhere, taking a wall away.

    The agent does not fall on the goal: it is drawn anew among the free cells. As a teacher of facebookresearch/dcd
    builds that acts at random, so that walls are fewer than are drawn. The heading is drawn likewise.
    """
    area, most = size * size, int(np.max(walls, initial=0))
    drawn = rng.integers(area, size=(count, most))
    blocked = np.zeros((count, area), dtype=np.bool_)
    rows = np.broadcast_to(np.arange(count)[:, None], drawn.shape)
    among = np.arange(most) < np.asarray(walls)[:, None]
    blocked[rows[among], drawn[among]] = True
    goal, start = rng.integers(area, size=count), rng.integers(area, size=count)
    blocked[np.arange(count), goal] = False
    start = _elsewhere(start, goal, blocked, rng)
    blocked[np.arange(count), start] = False
    return Mazes(blocked.reshape(count, size, size), start, rng.integers(4, size=count), goal)


def perfect(count: int, size: int, rng: np.random.Generator) -> Mazes:
    """Spanning trees (Kruskal's algorithm with random weights); agent and goal in two different corners.

    Args:
        size: side of the interior, odd: 2 k - 1 for trees of k x k cells.
    """
    if size % 2 == 0 or size < 3:
        raise UserError(f"size={size}: perfect mazes have an odd side of at least 3")
    side = (size + 1) // 2
    walls = np.ones((count, size, size), dtype=np.bool_)
    walls[:, ::2, ::2] = False
    cells = np.arange(side * side).reshape(side, side)
    links = np.concatenate([np.stack([cells[:, :-1], cells[:, 1:]], -1).reshape(-1, 2),
                            np.stack([cells[:-1], cells[1:]], -1).reshape(-1, 2)])  # fmt: skip
    _join(walls, links, rng.random((count, len(links))).argsort(axis=1), side)
    corners = np.array([0, size - 1, size * (size - 1), size * size - 1])
    two = rng.random((count, 4)).argsort(axis=1)[:, :2]
    return Mazes(walls, corners[two[:, 0]], rng.integers(4, size=count), corners[two[:, 1]])


def mutate(mazes: Mazes, edits: int, rng: np.random.Generator) -> Mazes:
    """Children: `edits` cells of each, drawn with replacement, become a wall, empty or the goal, one after the other.

    A goal that was overwritten, and an agent that was covered, go to random free cells. As in facebookresearch/dcd
    (Parker-Holder et al. 2022, Evolving curricula with regret-based environment design); headings stay.
    """
    count, height, width = mazes.walls.shape
    every = np.arange(count)
    walls, goal = mazes.walls.reshape(count, -1).copy(), mazes.goal.copy()
    cells, kinds = rng.integers(height * width, size=(count, edits)), rng.integers(3, size=(count, edits))
    for k in range(edits):
        at, kind = cells[:, k], kinds[:, k]
        moved = kind == 2
        gone = ~moved & (at == goal)
        walls[every, at] = kind == 0
        goal = np.where(moved, at, np.where(gone, -1, goal))
    lost = goal < 0
    goal[lost] = free_cells(walls[lost], mazes.start[lost], rng)
    covered = walls[every, mazes.start] | (mazes.start == goal)
    start = mazes.start.copy()
    start[covered] = free_cells(walls[covered], goal[covered], rng)
    walls[every, goal] = walls[every, start] = False  # where no other cell was free
    return Mazes(walls.reshape(count, height, width), start, mazes.heading.copy(), goal)


def _elsewhere(start: Array, goal: Array, walls: Array, rng: np.random.Generator) -> Array:
    clash, found = start == goal, start.copy()
    found[clash] = free_cells(walls[clash], goal[clash], rng)
    return found


def free_cells(walls: Array, but: Array, rng: np.random.Generator) -> Array:
    """A free cell of each, int64 [B], uniform among those that are not `but`; any other cell where all are walls."""
    taken = 2.0 * walls
    taken[np.arange(len(but)), but] = 4.0
    free: Array = (rng.random(walls.shape) + taken).argmin(axis=1)
    return free


# -- measures ----------------------------------------------------------------------------------------------------------


def distances(mazes: Mazes) -> Array:
    """Fewest actions (turns and steps) from the start to the goal, int64 [M]; -1 where there is no way."""
    found = np.empty(len(mazes), dtype=np.int64)
    _wavefront(mazes.walls, mazes.start, mazes.heading, mazes.goal, found)
    return found


def walks(mazes: Mazes) -> Array:
    """Fewest steps between cells from the start to the goal, turns not counted, int64 [M]; -1 where there is no way."""
    found = np.empty(len(mazes), dtype=np.int64)
    _walk(mazes.walls, mazes.start, mazes.goal, found)
    return found


def _wavefront_of_all(
    walls: Array, start: Array, heading: Array, goal: Array, found: Array
) -> None:  # pragma: no cover
    height, width = walls.shape[1], walls.shape[2]
    steps, queue = np.empty(height * width * 4, dtype=np.int64), np.empty(height * width * 4, dtype=np.int64)
    for m in range(walls.shape[0]):
        steps[:] = -1
        first = start[m] * 4 + heading[m]
        steps[first], queue[0], head, tail = 0, first, 0, 1
        found[m] = -1
        while head < tail:
            pose = queue[head]
            head += 1
            cell, way = pose // 4, pose % 4
            if cell == goal[m]:
                found[m] = steps[pose]
                break
            x, y = cell % width, cell // width
            to_x, to_y = x + (way == 0) - (way == 2), y + (way == 1) - (way == 3)
            for k in range(3):
                after = cell * 4 + (way + (1 if k == 0 else 3)) % 4
                if k == 2:
                    if to_x < 0 or to_x >= width or to_y < 0 or to_y >= height or walls[m, to_y, to_x]:
                        continue
                    after = (to_y * width + to_x) * 4 + way
                if steps[after] < 0:
                    steps[after] = steps[pose] + 1
                    queue[tail] = after
                    tail += 1


def _walk_of_all(walls: Array, start: Array, goal: Array, found: Array) -> None:  # pragma: no cover
    height, width = walls.shape[1], walls.shape[2]
    steps, queue = np.empty(height * width, dtype=np.int64), np.empty(height * width, dtype=np.int64)
    for m in range(walls.shape[0]):
        steps[:] = -1
        steps[start[m]], queue[0], head, tail = 0, start[m], 0, 1
        while head < tail:
            cell = queue[head]
            head += 1
            for way in range(4):
                x, y = cell % width + (way == 0) - (way == 2), cell // width + (way == 1) - (way == 3)
                if x < 0 or x >= width or y < 0 or y >= height or walls[m, y, x] or steps[y * width + x] >= 0:
                    continue
                steps[y * width + x] = steps[cell] + 1
                queue[tail] = y * width + x
                tail += 1
        found[m] = steps[goal[m]]


def _join_all(walls: Array, links: Array, order: Array, side: int) -> None:  # pragma: no cover
    """Opens the walls of links [L, 2] that join two trees, in `order` [M, L]."""
    root = np.empty(side * side, dtype=np.int64)
    for m in range(walls.shape[0]):
        for cell in range(side * side):
            root[cell] = cell
        for k in range(order.shape[1]):
            a, b = links[order[m, k], 0], links[order[m, k], 1]
            of_a, of_b = a, b
            while root[of_a] != of_a:
                of_a = root[of_a]
            while root[of_b] != of_b:
                of_b = root[of_b]
            if of_a != of_b:
                root[of_a] = of_b
                walls[m, a // side + b // side, a % side + b % side] = False


_wavefront = kept(_wavefront_of_all)
_walk = kept(_walk_of_all)
_join = kept(_join_all)


# -- named mazes -------------------------------------------------------------------------------------------------------


def named(name: str) -> Mazes:
    """A held-out maze, a batch of one.

    Raises:
        UserError: there is no such maze.
    """
    return drawn(rows(name))


def drawn(drawing: tuple[str, ...]) -> Mazes:
    """A drawing of the interior, as `named_mazes.rows` describes it."""
    cells = np.array([list(row) for row in drawing])
    agent = np.isin(cells, list(HEADINGS))
    start, goal = np.flatnonzero(agent), np.flatnonzero(cells == "G")
    return Mazes((cells == "#")[None], start, np.array([HEADINGS.index(str(cells[agent][0]))]), goal)
