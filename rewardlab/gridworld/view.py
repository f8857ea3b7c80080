"""What the agent sees: the square in front of it, turned upwards, with MiniGrid's occlusion by walls and shut doors.

`VIEW_SIZE` and `SEE_THROUGH` are fixed when a batch is built (see `batch.specialise`), so that loops unroll.
"""

from rewardlab.gridworld.constants import (
    CARRIED,
    DIRECTION,
    DOOR,
    EMPTY_CELL,
    HEIGHT,
    NO_OBJECT,
    OPEN,
    WALL,
    WALL_CELL,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.moves import step_x, step_y
from rewardlab.kernel_cache import inner

VIEW_SIZE = 7
SEE_THROUGH = False


@inner
def spread(lit, clear, size):
    """Light along one row of the view, as MiniGrid spreads it: first rightwards, then leftwards.

    A lit cell that lets light through lights its neighbour, and the two cells above itself and that neighbour.
    The last cell of each sweep does not spread.

    Args:
        lit: bits of the cells that the row below has lit (bit k is column k).
        clear: bits of the cells that let light through.
        size: columns, at most 31.

    Returns:
        The lit bits of this row, and those of the row above.
    """
    rightwards = clear & ((1 << (size - 1)) - 1)
    seeds = lit & rightwards
    # Adding the seeds carries through each run of clear cells: what the carry passes is reached.
    reached = rightwards & (((rightwards + seeds) ^ rightwards) | seeds)
    lit |= reached << 1
    above = reached | reached << 1
    leftwards = clear & ~1
    reached = lit & leftwards
    passes = leftwards
    shift = 1
    while shift < size:
        reached |= passes & (reached >> shift)
        passes &= passes >> shift
        shift *= 2
    lit |= reached >> 1
    return lit, above | reached | reached >> 1


def observe(cells, facts, params, i, images, row):
    """Writes the view of environment i into images[row], uint8 [VIEW_SIZE, VIEW_SIZE, 3] (column, line, channel)."""
    width, height = params[WIDTH], params[HEIGHT]
    direction = facts[i, DIRECTION]
    ahead_x, ahead_y = step_x(direction), step_y(direction)
    right_x, right_y = -ahead_y, ahead_x
    half = VIEW_SIZE // 2
    stride = right_y * width + right_x
    lit = 1 << half
    for line in range(VIEW_SIZE - 1, -1, -1):
        depth = VIEW_SIZE - 1 - line
        x = facts[i, X] + ahead_x * depth - right_x * half
        y = facts[i, Y] + ahead_y * depth - right_y * half
        at = y * width + x
        clear = 0
        for column in range(VIEW_SIZE):
            cell = WALL_CELL
            if 0 <= x < width and 0 <= y < height:
                cell = int(cells[i, at])
            kind, state = cell & 0xFF, (cell >> 16) & 0xFF
            images[row, column, line, 0] = kind
            images[row, column, line, 1] = (cell >> 8) & 0xFF
            images[row, column, line, 2] = state
            shut = kind == WALL or (kind == DOOR and state != OPEN)
            clear |= (not shut) << column
            x += right_x
            y += right_y
            at += stride
        if not SEE_THROUGH:
            lit, above = spread(lit, clear, VIEW_SIZE)
            for column in range(VIEW_SIZE):
                if not (lit >> column) & 1:
                    images[row, column, line, 0] = 0
                    images[row, column, line, 1] = 0
                    images[row, column, line, 2] = 0
            lit = above
    held = facts[i, CARRIED]
    if held == NO_OBJECT:
        held = EMPTY_CELL
    images[row, half, VIEW_SIZE - 1, 0] = held & 0xFF
    images[row, half, VIEW_SIZE - 1, 1] = (held >> 8) & 0xFF
    images[row, half, VIEW_SIZE - 1, 2] = (held >> 16) & 0xFF
