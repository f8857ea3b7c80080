"""The rooms of a grid, numbered from where the agent stands.

Rooms are what is left when the cells that are no walls are cut at doors, and at gaps one cell wide between two walls.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from rewardlab.maths.goals import AGENT
from rewardlab.types import Array

_WALL, _DOOR = 2, 4  # as MiniGrid numbers them


def rooms_of(grid: Array) -> Array:
    """Which room each cell is in: int16 [W * H], 0 where the agent stands, then by how many doorways lie between.

    Equally far ones are numbered by the cells of their doorways. A doorway belongs to the nearer of its rooms. Walls,
    and what no way leads to, have -1.

    Args:
        grid: uint8 [W, H, 3] with the agent; a cell's number is column * H + row.
    """
    height = grid.shape[1]
    objects = grid[..., 0]
    free, doorway = (objects != _WALL).ravel().tolist(), _doorways(objects).ravel().tolist()
    found = [-1] * len(free)
    beside = [[to for to in _beside(cell, len(free), height) if free[to]] for cell in range(len(free))]
    start = int((objects.ravel() == AGENT).argmax())
    edge = deque([(start, 0)])  # cells, and the room that one comes to them from
    rooms = 0
    while edge:
        cell, nearer = edge.popleft()
        if found[cell] >= 0:
            continue
        if doorway[cell]:
            found[cell] = nearer
            edge.extend((to, nearer) for to in beside[cell])
            continue
        found[cell] = rooms
        room, ways = [cell], set()
        for at in room:
            for to in beside[at]:
                if doorway[to]:
                    ways.add(to)
                elif found[to] < 0:
                    found[to] = rooms
                    room.append(to)
        edge.extend((way, rooms) for way in sorted(ways))
        rooms += 1
    return np.array(found, dtype=np.int16)


def way_in(grid: Array, rooms: Array, room: int) -> int:
    """The first cell of a room on a shortest walk there from the agent, through doors; its own where there is none.

    Args:
        grid: uint8 [W, H, 3] with the agent. rooms: [W * H], as `rooms_of` numbers them.
    """
    height, numbers = grid.shape[1], rooms.tolist()
    start = int((grid[..., 0].ravel() == AGENT).argmax())
    seen, edge = {start}, [start]
    for at in edge:
        if numbers[at] == room:
            return at
        for to in _beside(at, len(numbers), height):
            if to not in seen and numbers[to] >= 0:
                seen.add(to)
                edge.append(to)
    return start


def _doorways(objects: Array) -> Array:
    """bool [W, H]: doors, and cells between two walls that are no part of a narrow hallway."""
    wall = np.pad(objects == _WALL, 1, constant_values=True)
    across, along = wall[:-2, 1:-1] & wall[2:, 1:-1], wall[1:-1, :-2] & wall[1:-1, 2:]
    free = ~wall[1:-1, 1:-1]
    rows = free & across & ~wall[1:-1, :-2] & ~wall[1:-1, 2:]  # one walks through along the rows
    columns = free & along & ~wall[:-2, 1:-1] & ~wall[2:, 1:-1]
    by_rows, by_columns = np.pad(rows, 1), np.pad(columns, 1)
    gaps = (rows & ~by_rows[1:-1, :-2] & ~by_rows[1:-1, 2:]) | (
        columns & ~by_columns[:-2, 1:-1] & ~by_columns[2:, 1:-1]
    )
    found: Array = gaps | (objects == _DOOR)
    return found


def _beside(cell: int, area: int, height: int) -> list[int]:
    row = cell % height
    ways = (cell + height < area, height), (cell >= height, -height), (row + 1 < height, 1), (row > 0, -1)
    return [cell + step for inside, step in ways if inside]
