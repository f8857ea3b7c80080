"""What privileged actions change in states of the grid, as arrays of `gridworld.state`: walls, locks, headings."""

from __future__ import annotations

import numpy as np

from rewardlab.gridworld.constants import BALL, CLOSED, DOOR, FLOOR, GOAL, LOCKED, NOTHING, OPEN, WALL
from rewardlab.kernel_cache import call, kept

_RIGHT, _DOWN = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])  # by heading


def break_through(cells: np.ndarray, agent: np.ndarray) -> np.ndarray:
    """Take away the wall ahead, or open the door there; the outer wall stays. Changes `cells`.

    Args:
        cells: uint8 [B, H, W, 4]. agent: int32 [B, 3].

    Returns:
        bool [B], where something was changed.
    """
    every, x, y = _ahead(agent)
    height, width = cells.shape[1:3]
    inner = (x > 0) & (y > 0) & (x < width - 1) & (y < height - 1)
    wall = inner & (cells[every, y, x, 0] == WALL)
    cells[every[wall], y[wall], x[wall]] = (NOTHING, 0, 0, 0)
    door = (cells[every, y, x, 0] == DOOR) & (cells[every, y, x, 2] != OPEN)
    cells[every[door], y[door], x[door], 2] = OPEN
    changed: np.ndarray = wall | door
    return changed


def unlock(cells: np.ndarray, agent: np.ndarray) -> np.ndarray:
    """Leave a locked door ahead shut, but not locked, so that toggling opens it; as `break_through`."""
    every, x, y = _ahead(agent)
    locked: np.ndarray = (cells[every, y, x, 0] == DOOR) & (cells[every, y, x, 2] == LOCKED)
    cells[every[locked], y[locked], x[locked], 2] = CLOSED
    return locked


def turn_to_goal(cells: np.ndarray, agent: np.ndarray) -> np.ndarray:
    """Turn agents along a shortest walk to the goal square, or else to the only ball, and open a door that is ahead
    then. Doors of any kind are on the way, walls, lava and things are not. Of equals, the way that the agent looks.
    Changes both arrays; as `break_through`, true where there is such a way.
    """
    headings = np.empty(len(agent), dtype=np.int64)
    call(
        _toward, (np.ascontiguousarray(cells), np.ascontiguousarray(agent), headings), "the ways of privileged actions"
    )
    found: np.ndarray = headings >= 0
    agent[found, 2] = headings[found]
    opened = cells[found]
    break_through(opened, agent[found])
    cells[found] = opened
    return found


def _ahead(agent: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and rows of the grid ahead of agents; none stands at the border."""
    return np.arange(len(agent)), agent[:, 0] + _RIGHT[agent[:, 2]], agent[:, 1] + _DOWN[agent[:, 2]]


@kept
def _toward(cells, agent, headings):
    """Fills headings, int64 [B]: -1 where there is no target, or no way."""
    height, width = cells.shape[1], cells.shape[2]
    distance, edge = np.empty(height * width, np.int64), np.empty(height * width, np.int64)
    for b in range(len(agent)):
        target = -1
        for kind in (GOAL, BALL):
            for at in range(height * width):
                if target < 0 and cells[b, at // width, at % width, 0] == kind:
                    target = at
        headings[b] = -1
        if target < 0:
            continue
        distance[:] = height * width
        distance[target], edge[0] = 0, target
        known, at = 1, 0
        while at < known:
            x, y = edge[at] % width, edge[at] // width
            for heading in range(4):
                to_x = x + (heading == 0) - (heading == 2)
                to_y = y + (heading == 1) - (heading == 3)
                if 0 <= to_x < width and 0 <= to_y < height:
                    kind = cells[b, to_y, to_x, 0]
                    to = to_y * width + to_x
                    free = kind == NOTHING or kind == FLOOR or kind == GOAL or kind == DOOR
                    if free and distance[to] == height * width:
                        distance[to] = distance[edge[at]] + 1
                        edge[known] = to
                        known += 1
            at += 1
        best = height * width
        for turn in range(4):
            heading = (agent[b, 2] + turn) % 4
            to_x = agent[b, 0] + (heading == 0) - (heading == 2)
            to_y = agent[b, 1] + (heading == 1) - (heading == 3)
            if 0 <= to_x < width and 0 <= to_y < height and distance[to_y * width + to_x] < best:
                best = distance[to_y * width + to_x]
                headings[b] = heading
