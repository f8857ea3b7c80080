"""ObstructedMaze: locked doors, keys hidden in boxes, balls in the way; the blue ball is to be picked up.

The side rooms around the middle room each lead to two corners by locked doors. In the first version a box may be
drawn where a ball then blocks a door, and its key is lost; version 1 draws all doors before the keys.
"""

from rewardlab.gridworld.constants import BALL, BLUE, BOX, COLOURS_BY_NAME, GREEN, GREY, KEY, MISSION, STUCK, WIDTH
from rewardlab.gridworld.families.pickup import TARGET, end  # noqa: F401
from rewardlab.gridworld.families.pickup import target_words as words  # noqa: F401
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.gridworld.moves import step_x, step_y
from rewardlab.gridworld.rooms import (
    RIGHT_SIDE,
    ROOM_OPTIONS,
    add_door,
    ball_cell,
    draw_rooms,
    key_cell,
    place_agent_in_room,
    place_in_room,
)
from rewardlab.gridworld.streams import below
from rewardlab.kernel_cache import inner

SUCCESS = "the blue ball is picked up"
KEY_IN_BOX, BLOCKED, QUARTERS, AGENT_COLUMN, AGENT_ROW, KEYS_LAST = range(ROOM_OPTIONS, ROOM_OPTIONS + 6)

_COLOURS = 64  # where the shuffled door colours lie in scratch


@inner
def _draw_colours(streams, scratch, i):
    """All six colours in random order, drawn one by one from the alphabetical list of those left."""
    left = 0b111111
    for k in range(6):
        skip = below(streams, i, 6 - k)
        place = 0
        while True:
            if (left >> place) & 1:
                if skip == 0:
                    break
                skip -= 1
            place += 1
        left &= ~(1 << place)
        scratch[i, _COLOURS + k] = COLOURS_BY_NAME[place]


@inner
def _locked_door(cells, scratch, params, i, column, row, side, colour):
    """A locked door, with a green ball in front of it where the task blocks doors."""
    at = add_door(cells, scratch, params, i, column, row, side, colour, True)
    if params[BLOCKED]:
        cells[i, at - step_x(side) - step_y(side) * params[WIDTH]] = ball_cell(GREEN)


@inner
def _key(cells, facts, streams, params, i, column, row, colour):
    """A key in a room, in a grey box where the task hides keys; FINE or STUCK."""
    cell = key_cell(colour)
    if params[KEY_IN_BOX]:
        cell = BOX | GREY << 8 | (KEY | colour << 4) << 24
    return place_in_room(cells, facts, streams, params, i, column, row, cell)


@inner
def _finish(cells, facts, streams, params, i, column, row, agent_column, agent_row):
    """The blue ball in its room, the agent in its own; FINE or STUCK."""
    facts[i, TARGET] = ball_cell(BLUE)
    facts[i, MISSION] = BALL
    facts[i, MISSION + 1] = BLUE
    if place_in_room(cells, facts, streams, params, i, column, row, ball_cell(BLUE)) == STUCK:
        return STUCK
    return place_agent_in_room(cells, facts, streams, params, i, agent_column, agent_row)


@inner
def _side_room(k):
    """Column and row of the room right of, below, left of, above the middle room."""
    return 1 + step_x(k), 1 + step_y(k)


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_rooms(cells, facts, streams, scratch, params, i)
    _draw_colours(streams, scratch, i)
    quarters = params[QUARTERS]
    if quarters == 0:  # two rooms and one door
        colour = scratch[i, _COLOURS]
        _locked_door(cells, scratch, params, i, 0, 0, RIGHT_SIDE, colour)
        if _key(cells, facts, streams, params, i, 0, 0, colour) == STUCK:
            return STUCK
        return _finish(cells, facts, streams, params, i, 1, 0, 0, 0)
    for k in range(quarters):
        add_door(cells, scratch, params, i, 1, 1, k, scratch[i, _COLOURS + k], False)
        column, row = _side_room(k)
        for turn in (-1, 1):
            colour = scratch[i, _COLOURS + (k + turn) % 6]
            _locked_door(cells, scratch, params, i, column, row, (k + turn) & 3, colour)
            if not params[KEYS_LAST] and _key(cells, facts, streams, params, i, column, row, colour) == STUCK:
                return STUCK
        if params[KEYS_LAST]:
            for turn in (-1, 1):
                colour = scratch[i, _COLOURS + (k + turn) % 6]
                if _key(cells, facts, streams, params, i, column, row, colour) == STUCK:
                    return STUCK
    # The corners: upper right, lower right, lower left, upper left.
    corner = below(streams, i, quarters)
    column = 2 if corner < 2 else 0
    row = 2 if corner == 1 or corner == 2 else 0
    return _finish(cells, facts, streams, params, i, column, row, params[AGENT_COLUMN], params[AGENT_ROW])
