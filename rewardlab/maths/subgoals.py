"""Subgoals that lead through a grid: which cells they are, when they are reached, and what wrong ones are.

Source: Ruiz-Gonzalez et al. 2024, Words as Beacons (arXiv:2410.08632), section 4: key, door and ball of KeyCorridor,
the doors and the goal of MultiRoom. The rule that finds them in a grid is ours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rewardlab.maths.goals import AGENT, agent_places
from rewardlab.types import Array

_WALL, _DOOR, _KEY, _BALL, _GOAL, _LAVA = 2, 4, 5, 6, 8, 9  # as MiniGrid numbers them
_LOCKED = 2
THINGS = (_DOOR, _KEY, _BALL, 7, _GOAL)
KINDS = 3 * 16 * 16  # what `kinds` may be, and one more


def exact_list(grid: Array) -> list[int]:
    """The cells that one must come to in turn, the task's own goal last; empty where the grid shows no goal.

    The goal is the goal square, or else the only ball. On a shortest walk there, every door is a subgoal, and before a
    locked one the key of its colour.

    Args:
        grid: uint8 [W, H, 3]; a cell's number is column * H + row.
    """
    width, height = grid.shape[:2]
    objects, colours = grid[..., 0].ravel().tolist(), grid[..., 1].ravel().tolist()
    states = grid[..., 2].ravel().tolist()
    targets = [cell for kind in (_GOAL, _BALL) for cell, found in enumerate(objects) if found == kind]
    if AGENT not in objects or not targets:
        return []
    found: list[int] = []
    for cell in _walk(objects, width, height, objects.index(AGENT), targets[0]):
        if objects[cell] == _DOOR:
            if states[cell] == _LOCKED:
                keys = [k for k, kind in enumerate(objects) if kind == _KEY and colours[k] == colours[cell]]
                found += keys[:1]
            found.append(cell)
    return [*found, targets[0]]


def _walk(objects: list[int], width: int, height: int, start: int, end: int) -> list[int]:
    """The cells of a shortest walk without `start`, through anything but walls and lava; empty where there is none."""
    came: dict[int, int] = {start: start}
    edge = [start]
    while edge and end not in came:
        grown = []
        for at in edge:
            column, row = divmod(at, height)
            ways = (column + 1 < width, height), (column > 0, -height), (row + 1 < height, 1), (row > 0, -1)
            for inside, step in ways:
                to = at + step
                if inside and to not in came and objects[to] not in (_WALL, _LAVA):
                    came[to] = at
                    grown.append(to)
        edge = grown
    walk, at = [], end if end in came else start
    while at != start:
        walk.append(at)
        at = came[at]
    return walk[::-1]


def wrong_cell(grid: Array, right: int, by_look: bool, draw: Callable[[int], int]) -> int:
    """A cell that is not the right one.

    Args:
        grid: uint8 [W, H, 3]. right: a cell.
        by_look: one with a thing that looks otherwise; else any cell within the outer wall, walls too.
        draw: a number below the one that it is given.
    """
    width, height = grid.shape[:2]
    cells = grid.reshape(-1, 3)
    if by_look:
        things = np.flatnonzero(np.isin(cells[:, 0], THINGS) & (cells != cells[right]).any(axis=1))
        if len(things):
            return int(things[draw(len(things))])
    inner = (np.arange(1, width - 1)[:, None] * height + np.arange(1, height - 1)).ravel()
    inner = inner[inner != right]
    return int(inner[draw(len(inner))])


def moved_cell(grid: Array, right: int, steps: float, draw: Callable[[int], int]) -> int:
    """A cell that is wrong by about so many steps along rows and columns, and never the right one.

    Args:
        grid: uint8 [W, H, 3]. right: a cell. draw: a number below the one that it is given; of all cells within the
            outer wall whose distance is nearest to `steps`, it takes one.
    """
    width, height = grid.shape[:2]
    inner = (np.arange(1, width - 1)[:, None] * height + np.arange(1, height - 1)).ravel()
    inner = inner[inner != right]
    away = np.abs(inner // height - right // height) + np.abs(inner % height - right % height)
    off = np.abs(away - steps)
    nearest = inner[off == off.min()]
    return int(nearest[draw(len(nearest))])


def contents(grids: Array, cell: Array) -> Array:
    """Object, colour and state of cells, uint8 [B, 3].

    Args:
        grids: uint8 [B, W, H, 3]. cell: int64 [B].
    """
    found: Array = grids.reshape(len(grids), -1, 3)[np.arange(len(cell)), cell]
    return found


def come_to(before: Array, after: Array, cell: Array) -> Array:
    """bool [B]: whether the agent is at the cells, or their content differs between two grids, uint8 [B, W, H, 3].

    Of a cell that the agent was in before, the content was not seen: there only its being there counts.
    """
    was, now = contents(before, cell), contents(after, cell)
    found: Array = (agent_places(after)[0] == cell) | ((was != now).any(axis=1) & (was[:, 0] != AGENT))
    return found


def relative(grids: Array, cell: Array) -> Array:
    """Columns to the right and rows down from the agents to cells, int64 [B, 2]: along the grid, wherever it looks."""
    height = grids.shape[2]
    place = agent_places(grids)[0]
    return np.stack([cell // height - place // height, cell % height - place % height], axis=1)


def kinds(content: Array) -> Array:
    """A number for each kind of thing, int64 [B], below `KINDS`: object, colour, and whether it is locked."""
    locked = (content[:, 0] == _DOOR) & (content[:, 2] == _LOCKED)
    found: Array = content[:, 0].astype(np.int64) * 16 + content[:, 1] + 256 * locked
    return found
