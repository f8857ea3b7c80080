"""What BabyAI's levels are drawn with: random things in rooms, doors of any kind, and whether all can be reached."""

from rewardlab.gridworld.constants import (
    BOX,
    DOOR,
    EMPTY_CELL,
    HEIGHT,
    KEY,
    STUCK,
    WALL,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.rooms import (
    add_door,
    door_at,
    free_side,
    num_columns,
    num_rows,
    place_agent_in_room,
    put_in_room,
    room_size,
)
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

PLACED = 64  # scratch from here on: positions of things that a level chooses from
_ROWS = 104  # and of which cells have been reached, a row's bits each


@inner
def any_room(streams, params, i):
    """Column and row of a random room."""
    column = below(streams, i, num_columns(params))
    return column, below(streams, i, num_rows(params))


@inner
def any_thing(streams, i):
    """A key, ball or box of any colour: kind drawn first."""
    kind = KEY + below(streams, i, 3)
    return kind | any_colour(streams, i) << 8


@inner
def random_door(cells, streams, scratch, params, i, column, row, locked):
    """A door of any colour at any free side of a room; `locked` 2: by chance. Returns its position."""
    side = free_side(streams, scratch, params, i, column, row)
    colour = any_colour(streams, i)
    if locked == 2:
        locked = 1 if below(streams, i, 2) == 0 else 0
    return add_door(cells, scratch, params, i, column, row, side, colour, locked)


@inner
def _looks(cells, i):
    """Which kinds and colours of keys, balls and boxes there are: 18 bits."""
    found = 0
    for at in range(cells.shape[1]):
        cell = int(cells[i, at])
        kind = cell & 0xFF
        if KEY <= kind <= BOX:
            found |= 1 << (6 * (kind - KEY) + (cell >> 8 & 0xFF))
    return found


@inner
def add_distractors(cells, facts, streams, scratch, params, i, column, row, count, unique, first):
    """Random things in one room, or in any for column -1.

    Args:
        unique: 1: no two of the grid look alike; 0: they may.
        first: their positions are written into scratch from PLACED + first on.

    Returns:
        Whether all found a place.
    """
    found, k = _looks(cells, i) if unique else 0, 0
    while k < count:
        colour = any_colour(streams, i)
        kind = KEY + below(streams, i, 3)
        same = 1 << (6 * (kind - KEY) + colour)
        if unique and found & same:
            continue
        to_column, to_row = any_room(streams, params, i) if column < 0 else (column, row)
        at = put_in_room(cells, facts, streams, params, i, to_column, to_row, kind | colour << 8)
        if at < 0:
            return False
        scratch[i, PLACED + first + k] = at
        found |= same
        k += 1
    return True


@inner
def place_agent_somewhere(cells, facts, streams, params, i):
    """The agent in a random room; whether it found a place."""
    column, row = any_room(streams, params, i)
    return place_agent_in_room(cells, facts, streams, params, i, column, row) != STUCK


@inner
def chosen(streams, scratch, i, count):
    """The position of one of `count` placed things."""
    return scratch[i, PLACED + below(streams, i, count)]


@inner
def two_chosen(streams, scratch, i, first, count):
    """Two of `count` placed things from `first` on, in order, the first one drawn out of the list."""
    one = below(streams, i, count)
    other = below(streams, i, count - 1)
    other += other >= one
    return scratch[i, PLACED + first + one], scratch[i, PLACED + first + other]


@inner
def agent_room(facts, params, i):
    """Column and row of the room that the agent stands in."""
    return facts[i, X] // (room_size(params) - 1), facts[i, Y] // (room_size(params) - 1)


@inner
def open_all_doors(cells, i):
    for at in range(cells.shape[1]):
        if cells[i, at] & 0xFF == DOOR:
            cells[i, at] &= 0xFFFF


@inner
def list_doors(cells, scratch, params, i):
    """The doors of all rooms, column by column, into scratch from PLACED on: each twice. Returns how many."""
    count = 0
    for column in range(num_columns(params)):
        for row in range(num_rows(params)):
            for side in range(4):
                at = door_at(cells, scratch, params, i, column, row, side)
                if at >= 0:
                    scratch[i, PLACED + count] = at
                    count += 1
    return count


@inner
def _grow(scratch, i, y, passable, height):
    """One row takes over what its neighbours and itself have reached; whether anything is new."""
    old = scratch[i, _ROWS + y]
    reached = old
    if y > 0:
        reached |= scratch[i, _ROWS + y - 1]
    if y < height - 1:
        reached |= scratch[i, _ROWS + y + 1]
    reached = (reached & passable) | old
    while True:
        wider = reached | (reached << 1 | reached >> 1) & passable
        if wider == reached:
            break
        reached = wider
    scratch[i, _ROWS + y] = reached
    return reached != old


@inner
def all_reachable(cells, facts, scratch, params, i):
    """Whether the agent can get next to every thing through empty cells and doors of any kind."""
    width, height = params[WIDTH], params[HEIGHT]
    for y in range(height):
        bits = 0
        for x in range(width):
            cell = int(cells[i, y * width + x])
            bits |= (cell == EMPTY_CELL or cell & 0xFF == DOOR) << x
        scratch[i, _ROWS + height + y] = bits
        scratch[i, _ROWS + y] = 0
    scratch[i, _ROWS + facts[i, Y]] = 1 << facts[i, X]
    grown = True
    while grown:
        grown = False
        for y in range(height):
            grown |= _grow(scratch, i, y, scratch[i, _ROWS + height + y], height)
        for y in range(height - 1, -1, -1):
            grown |= _grow(scratch, i, y, scratch[i, _ROWS + height + y], height)
    for y in range(1, height - 1):
        row = scratch[i, _ROWS + y]
        beside = row << 1 | row >> 1 | scratch[i, _ROWS + y - 1] | scratch[i, _ROWS + y + 1]
        for x in range(width):
            cell = int(cells[i, y * width + x])
            if cell == EMPTY_CELL or cell & 0xFF == WALL:
                continue
            if not ((row if cell & 0xFF == DOOR else row | beside) >> x) & 1:
                return False
    return True
