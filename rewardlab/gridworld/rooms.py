"""Grids of equal rooms (MiniGrid's RoomGrid): walls, doors between neighbours, objects in rooms, connectedness.

A family built on this has `room_size, rows, columns` as its first three options. Rooms are numbered row by row.
Sides are numbered right, down, left, up. What is only needed while a level is drawn lies in `scratch`, int32
[N, NUM_SCRATCH]: per room its doors (four bits), whether it is locked, and where each side's door would be.
"""

from rewardlab.gridworld.constants import (
    BALL,
    BOX,
    CLOSED,
    DOOR,
    EMPTY_CELL,
    FINE,
    KEY,
    LOCKED,
    NOTHING,
    OPTION,
    STUCK,
    WALL,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.drawing import clear, free_position, place_agent, put, set_agent, wall_box
from rewardlab.gridworld.moves import cell_at, front_x, front_y
from rewardlab.gridworld.streams import another_colour, any_colour, below, between
from rewardlab.kernel_cache import inner

RIGHT_SIDE, LOWER_SIDE, LEFT_SIDE, UPPER_SIDE = range(4)
ROOM_OPTIONS = OPTION + 3  # where the options of a family built on rooms start

_MAX_ROOMS = 9
_DOORS, _LOCKED, _DOOR_AT, _START = 0, _MAX_ROOMS, 2 * _MAX_ROOMS, 6 * _MAX_ROOMS
_PLACE_TRIES = 1000
_STANDING_TRIES = 10_000  # a single place among a room's 144 is missed once in 10^30 levels
_CONNECT_TRIES = 5000


@inner
def room_size(params):
    return params[OPTION]


@inner
def num_rows(params):
    return params[OPTION + 1]


@inner
def num_columns(params):
    return params[OPTION + 2]


@inner
def _room(params, column, row):
    return row * num_columns(params) + column


@inner
def _beyond(params, room, side):
    """The room on the other side of a wall."""
    if side == RIGHT_SIDE:
        return room + 1
    if side == LOWER_SIDE:
        return room + num_columns(params)
    if side == LEFT_SIDE:
        return room - 1
    return room - num_columns(params)


@inner
def _connect(scratch, params, i, room, side):
    """Notes a passage on both of its sides."""
    scratch[i, _DOORS + room] |= 1 << side
    scratch[i, _DOORS + _beyond(params, room, side)] |= 1 << ((side + 2) & 3)


@inner
def draw_rooms(cells, facts, streams, scratch, params, i):
    """Walls of all rooms, a random door place per shared wall, the agent in the middle facing right."""
    size, rows, columns = room_size(params), num_rows(params), num_columns(params)
    width = params[WIDTH]
    clear(cells, params, i)
    for room in range(rows * columns):
        scratch[i, _DOORS + room] = 0
        scratch[i, _LOCKED + room] = 0
        for side in range(4):
            scratch[i, _DOOR_AT + 4 * room + side] = -1
        left, top = (room % columns) * (size - 1), (room // columns) * (size - 1)
        wall_box(cells, params, i, left, top, size, size)
    for row in range(rows):
        for column in range(columns):
            room = _room(params, column, row)
            left, top = column * (size - 1), row * (size - 1)
            right, bottom = left + size - 1, top + size - 1
            if column < columns - 1:
                at = between(streams, i, top + 1, bottom) * width + right
                scratch[i, _DOOR_AT + 4 * room + RIGHT_SIDE] = at
                scratch[i, _DOOR_AT + 4 * (room + 1) + LEFT_SIDE] = at
            if row < rows - 1:
                at = bottom * width + between(streams, i, left + 1, right)
                scratch[i, _DOOR_AT + 4 * room + LOWER_SIDE] = at
                scratch[i, _DOOR_AT + 4 * (room + columns) + UPPER_SIDE] = at
    middle_x = (columns // 2) * (size - 1) + size // 2
    middle_y = (rows // 2) * (size - 1) + size // 2
    set_agent(facts, i, middle_x, middle_y, 0)


@inner
def remove_wall(cells, scratch, params, i, column, row, side):
    """Opens the whole wall on one side of a room."""
    size = room_size(params)
    left, top = column * (size - 1), row * (size - 1)
    for k in range(1, size - 1):
        if side == RIGHT_SIDE:
            put(cells, params, i, left + size - 1, top + k, EMPTY_CELL)
        elif side == LOWER_SIDE:
            put(cells, params, i, left + k, top + size - 1, EMPTY_CELL)
        elif side == LEFT_SIDE:
            put(cells, params, i, left, top + k, EMPTY_CELL)
        else:
            put(cells, params, i, left + k, top, EMPTY_CELL)
    _connect(scratch, params, i, _room(params, column, row), side)


@inner
def add_door(cells, scratch, params, i, column, row, side, colour, locked):
    """Puts a door into one wall of a room; returns its position."""
    room = _room(params, column, row)
    at = scratch[i, _DOOR_AT + 4 * room + side]
    cells[i, at] = DOOR | colour << 8 | (LOCKED if locked else CLOSED) << 16
    scratch[i, _LOCKED + room] = locked
    _connect(scratch, params, i, room, side)
    return at


@inner
def put_in_room(cells, facts, streams, params, i, column, row, cell):
    """Puts a cell into a room, not next to the agent; returns its position, or -1 when it gave up."""
    size = room_size(params)
    at = free_position(
        cells, facts, streams, params, i, column * (size - 1), row * (size - 1), size, size, 2, _PLACE_TRIES
    )
    if at >= 0:
        cells[i, at] = cell
    return at


@inner
def place_in_room(cells, facts, streams, params, i, column, row, cell):
    """Puts a cell into a room, not next to the agent; returns FINE or STUCK."""
    return STUCK if put_in_room(cells, facts, streams, params, i, column, row, cell) < 0 else FINE


@inner
def place_agent_in_room(cells, facts, streams, params, i, column, row):
    """Puts the agent into a room, never right in front of anything but a wall; returns FINE or STUCK.

    Farama's code tries without end, and in a room without such a place it never returns. Here that is STUCK.
    """
    size = room_size(params)
    for _ in range(_STANDING_TRIES):
        if not place_agent(
            cells, facts, streams, params, i, column * (size - 1), row * (size - 1), size, size, _PLACE_TRIES
        ):
            return STUCK
        front = cell_at(cells, params, i, front_x(facts, i), front_y(facts, i)) & 0xFF
        if front == NOTHING or front == WALL:
            return FINE
    return STUCK


@inner
def _all_reached(scratch, params, i):
    """Whether doors of any kind lead from the agent's room to every room (the agent's room is noted by the caller)."""
    count = num_rows(params) * num_columns(params)
    reached = 1 << scratch[i, _START]
    grown = True
    while grown:
        grown = False
        for room in range(count):
            if not (reached >> room) & 1:
                continue
            for side in range(4):
                if (scratch[i, _DOORS + room] >> side) & 1:
                    beyond = _beyond(params, room, side)
                    if not (reached >> beyond) & 1:
                        reached |= 1 << beyond
                        grown = True
    return reached == (1 << count) - 1


@inner
def free_side(streams, scratch, params, i, column, row):
    """A random side of a room towards another one, without a door so far."""
    room = _room(params, column, row)
    while True:
        side = below(streams, i, 4)
        if scratch[i, _DOOR_AT + 4 * room + side] >= 0 and not (scratch[i, _DOORS + room] >> side) & 1:
            return side


@inner
def door_at(cells, scratch, params, i, column, row, side):
    """The position of the door in one wall of a room, -1 without one."""
    room = _room(params, column, row)
    at = scratch[i, _DOOR_AT + 4 * room + side]
    return at if at >= 0 and (scratch[i, _DOORS + room] >> side) & 1 and cells[i, at] & 0xFF == DOOR else -1


@inner
def room_side(scratch, params, i, column, row, side):
    """Whether another room lies on that side of a room."""
    return scratch[i, _DOOR_AT + 4 * _room(params, column, row) + side] >= 0


@inner
def connect_all(cells, facts, streams, scratch, params, i, without=-1):
    """Adds unlocked doors at random walls until every room can be reached; FINE or STUCK.

    Args:
        without: the only colour that no door gets; -1: all are drawn from.
    """
    size, rows, columns = room_size(params), num_rows(params), num_columns(params)
    scratch[i, _START] = _room(params, facts[i, X] // (size - 1), facts[i, Y] // (size - 1))
    for _ in range(_CONNECT_TRIES + 1):
        if _all_reached(scratch, params, i):
            return FINE
        column = below(streams, i, columns)
        row = below(streams, i, rows)
        side = below(streams, i, 4)
        room = _room(params, column, row)
        if scratch[i, _DOOR_AT + 4 * room + side] < 0 or (scratch[i, _DOORS + room] >> side) & 1:
            continue
        if scratch[i, _LOCKED + room] or scratch[i, _LOCKED + _beyond(params, room, side)]:
            continue
        colour = any_colour(streams, i) if without < 0 else another_colour(streams, i, without)
        add_door(cells, scratch, params, i, column, row, side, colour, False)
    return STUCK


@inner
def key_cell(colour):
    return KEY | colour << 8


@inner
def ball_cell(colour):
    return BALL | colour << 8


@inner
def box_cell(colour):
    return BOX | colour << 8


@inner
def colour_at(cells, i, at):
    return (int(cells[i, at]) >> 8) & 0xFF
