"""What NetHack shows, in numbers that networks read: its map around the hero, and the bottom lines.

A glyph is the number of what is drawn in a cell. Numbers next to each other mean nothing alike.
"""

import numpy as np

from rewardlab.types import Array

GLYPHS = 5976  # how many there are, numbered from 0
BLANK = 2359  # the glyph of a cell of which nothing is known, and of everything beyond the map
MAP = (21, 79)  # rows and columns
MESSAGE = 256  # bytes of the top line, 0 where it has ended
BLSTATS = 27  # numbers that the bottom lines tell
STATUS = 39  # numbers that `status` makes of them
_CONDITION, _CONDITIONS = 25, 13  # where among them the hero's conditions are, a bit each, and how many there are


def around(glyphs: Array, column: Array, row: Array, side: int) -> Array:
    """The squares of cells around one of each map: [N, 21, 79] -> [N, side, side], `BLANK` beyond the map.

    Args:
        column, row: int [N]. side: odd, so that the cell is in the middle.
    """
    count, (rows, columns), half = len(glyphs), glyphs.shape[1:], side // 2
    ground = np.full((count, rows + 2 * half, columns + 2 * half), BLANK, dtype=glyphs.dtype)
    ground[:, half : half + rows, half : half + columns] = glyphs
    steps = np.arange(side)
    down, across = row[:, None] + steps, column[:, None] + steps
    found: Array = ground[np.arange(count)[:, None, None], down[:, :, None], across[:, None, :]]
    return found


def status(blstats: Array) -> Array:
    """The bottom lines, int64 [..., 27] -> float32 [..., 39], all of them small.

    Column and row as shares of the map; the 24 other quantities v as sign(v) ln(1 + |v|) / 5, so that a gold piece more
    is seen among few and a level of thousands of points is still below 2; then the 13 conditions as 0 or 1.
    """
    numbers = blstats.astype(np.float64)
    found = np.sign(numbers) * np.log1p(np.abs(numbers)) / 5.0
    found[..., 0] = numbers[..., 0] / (MAP[1] - 1)
    found[..., 1] = numbers[..., 1] / (MAP[0] - 1)
    bits = blstats[..., _CONDITION, None] >> np.arange(_CONDITIONS) & 1
    quantities = np.delete(found, _CONDITION, axis=-1)
    return np.concatenate([quantities, bits], axis=-1).astype(np.float32)
