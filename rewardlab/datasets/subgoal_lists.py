"""Lists of subgoals that somebody made beforehand, by the seeds of levels.

A file holds one JSON object, from level seeds to lists of cells, [column, row] each, the task's own goal last:

    {"17": [[3, 4], [6, 2], [8, 1]], "23": [[2, 2], [6, 5], [8, 5]]}

Files of any origin are read as numbers and text.
"""

from __future__ import annotations

import json
from pathlib import Path

from rewardlab.errors import UserError, one_line

LONGEST = 64  # entries of a list
_EXACT = ("MiniGrid-KeyCorridor", "MiniGrid-MultiRoom", "MiniGrid-DoorKey")


def has_exact(env_id: str) -> bool:
    """Whether `maths.subgoals.exact_list` finds the lists of a task: of KeyCorridor, MultiRoom and DoorKey."""
    return env_id.rpartition(":")[2].startswith(_EXACT)


def read_lists(key: str, path: str, width: int, height: int) -> dict[int, list[tuple[int, int]]]:
    """What a file says.

    Args:
        key: the option that names it, for messages.
        width, height: of the grids that it is for.

    Raises:
        UserError: it can't be read, is none, or has cells outside of the grid.
    """
    said = f"{key}={path}"
    try:
        found = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{said}: can't be read: {one_line(error)}") from None
    if not isinstance(found, dict) or not found:
        raise UserError(f'{said}: holds no lists; write {{"LEVEL": [[COLUMN, ROW], ...], ...}}')
    lists = {}
    for level, entries in found.items():
        if not (level.isascii() and level.isdigit()):
            raise UserError(f"{said}: {level[:40]!r} is no level seed: a whole number, at least 0")
        try:
            lists[int(level)] = cells_of(entries, width, height)
        except ValueError as error:
            raise UserError(f"{said}: level {level}: {error}") from None
    return lists


def cells_of(entries: object, width: int, height: int) -> list[tuple[int, int]]:
    """One list, checked.

    Raises:
        ValueError: it is none, or has cells outside of the grid; one line.
    """
    if not isinstance(entries, list) or not 1 <= len(entries) <= LONGEST:
        raise ValueError(f"needs a list of 1 to {LONGEST} cells")
    for cell in entries:
        if not _is_cell(cell, width, height):
            raise ValueError(f"{str(cell)[:40]} is no cell [COLUMN, ROW] of {width} x {height}")
    return [(int(column), int(row)) for column, row in entries]


def _is_cell(cell: object, width: int, height: int) -> bool:
    if not isinstance(cell, list) or len(cell) != 2:
        return False
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in cell)
    return whole and 0 <= cell[0] < width and 0 <= cell[1] < height
