"""What level generators draw with: walls, and objects placed by rejection.

Every function works on environment i of the batch: `cells` uint32 [N, H * W], `facts` int32 [N, NUM_FACTS],
`streams` uint64 [N, 6], `params` int64 [NUM_PARAMS]. A position is the index y * W + x.
"""

from rewardlab.gridworld.constants import DIRECTION, EMPTY_CELL, HEIGHT, WALL_CELL, WIDTH, X, Y
from rewardlab.gridworld.streams import below, between
from rewardlab.kernel_cache import inner

FOREVER = 1 << 62


@inner
def clear(cells, params, i):
    """Empties the whole grid."""
    for at in range(params[WIDTH] * params[HEIGHT]):
        cells[i, at] = EMPTY_CELL


@inner
def put(cells, params, i, x, y, cell):
    """Sets one cell and returns its position."""
    at = y * params[WIDTH] + x
    cells[i, at] = cell
    return at


@inner
def row_of(cells, params, i, x, y, length, cell):
    """Sets `length` cells rightwards from (x, y)."""
    start = y * params[WIDTH] + x
    for at in range(start, start + length):
        cells[i, at] = cell


@inner
def column_of(cells, params, i, x, y, length, cell):
    """Sets `length` cells downwards from (x, y)."""
    width = params[WIDTH]
    for k in range(length):
        cells[i, (y + k) * width + x] = cell


@inner
def wall_box(cells, params, i, x, y, width, height):
    """Walls around a rectangle."""
    row_of(cells, params, i, x, y, width, WALL_CELL)
    row_of(cells, params, i, x, y + height - 1, width, WALL_CELL)
    column_of(cells, params, i, x, y, height, WALL_CELL)
    column_of(cells, params, i, x + width - 1, y, height, WALL_CELL)


@inner
def walled(cells, params, i):
    """An empty grid with walls around."""
    clear(cells, params, i)
    wall_box(cells, params, i, 0, 0, params[WIDTH], params[HEIGHT])


@inner
def set_agent(facts, i, x, y, direction):
    facts[i, X] = x
    facts[i, Y] = y
    facts[i, DIRECTION] = direction


@inner
def free_position(cells, facts, streams, params, i, left, top, width, height, distance, tries):
    """Draws positions in a rectangle until one is empty and at least `distance` steps from the agent.

    The rectangle is cut at the right and lower border of the grid. Each try draws x, then y.

    Args:
        distance: 1 keeps off the agent itself, 2 also off its four neighbours (Manhattan distance).
        tries: draws before it gives up, less one (Farama counts so).

    Returns:
        The position, or -1 when it gave up.
    """
    right, bottom = min(left + width, params[WIDTH]), min(top + height, params[HEIGHT])
    for _ in range(tries + 1):
        x = between(streams, i, left, right)
        y = between(streams, i, top, bottom)
        at = y * params[WIDTH] + x
        if cells[i, at] != EMPTY_CELL:
            continue
        if abs(x - facts[i, X]) + abs(y - facts[i, Y]) < distance:
            continue
        return at
    return -1


@inner
def place(cells, facts, streams, params, i, cell, left, top, width, height):
    """Puts a cell at a random free position of a rectangle, however long it takes; returns the position."""
    at = free_position(cells, facts, streams, params, i, left, top, width, height, 1, FOREVER)
    cells[i, at] = cell
    return at


@inner
def place_anywhere(cells, facts, streams, params, i, cell):
    """Puts a cell at a random free position of the grid; returns the position."""
    return place(cells, facts, streams, params, i, cell, 0, 0, params[WIDTH], params[HEIGHT])


@inner
def place_agent(cells, facts, streams, params, i, left, top, width, height, tries):
    """Puts the agent at a random free position of a rectangle, then draws its direction; False when it gave up."""
    set_agent(facts, i, -1, -1, facts[i, DIRECTION])
    # Far enough outside that the agent's own place, (-1, -1), keeps nothing off: distance 1 only bars the same cell.
    at = free_position(cells, facts, streams, params, i, left, top, width, height, 1, tries)
    if at < 0:
        return False
    set_agent(facts, i, at % params[WIDTH], at // params[WIDTH], below(streams, i, 4))
    return True


@inner
def place_agent_anywhere(cells, facts, streams, params, i):
    """Puts the agent at a random free position of the grid, however long it takes."""
    place_agent(cells, facts, streams, params, i, 0, 0, params[WIDTH], params[HEIGHT], FOREVER)
