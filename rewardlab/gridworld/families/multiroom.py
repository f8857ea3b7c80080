"""MultiRoom: a chain of rooms of random sizes, a door between each two, the goal in the last one."""

from rewardlab.gridworld.constants import (
    CLOSED,
    COLOURS_BY_NAME,
    DOOR,
    FINE,
    GOAL_CELL,
    HEIGHT,
    OPTION,
    WIDTH,
)
from rewardlab.gridworld.drawing import FOREVER, clear, place, place_agent, put, wall_box
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import below, between
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"
FEWEST_ROOMS, MOST_ROOMS, LARGEST_ROOM = OPTION, OPTION + 1, OPTION + 2

_SMALLEST_ROOM = 4
_DOOR_TRIES = 8
# A room in scratch: left, top, width, height, and the place of the door one enters by.
_LEFT, _TOP, _WIDTH, _HEIGHT, _DOOR_X, _DOOR_Y, _FIELDS = range(7)


@inner
def _add_room(streams, scratch, params, i, count, wall, door_x, door_y):
    """Draws a room entered through `wall` at the given door; True when it fits and was noted as room `count`."""
    largest = params[LARGEST_ROOM]
    width = between(streams, i, _SMALLEST_ROOM, largest + 1)
    height = between(streams, i, _SMALLEST_ROOM, largest + 1)
    left, top = door_x, door_y
    if count > 0:
        if wall == 0 or wall == 2:
            top = between(streams, i, door_y - height + 2, door_y)
            if wall == 0:
                left = door_x - width + 1
        else:
            left = between(streams, i, door_x - width + 2, door_x)
            if wall == 1:
                top = door_y - height + 1
    if left < 0 or top < 0:
        return False
    # As in MiniGrid, the bounds are uneven: a room may touch the right border but not the lower one.
    if left + width > params[WIDTH] or top + height >= params[HEIGHT]:
        return False
    for room in range(count - 1):
        at = room * _FIELDS
        other_left, other_top = scratch[i, at + _LEFT], scratch[i, at + _TOP]
        apart = (
            left + width < other_left
            or other_left + scratch[i, at + _WIDTH] <= left
            or top + height < other_top
            or other_top + scratch[i, at + _HEIGHT] <= top
        )
        if not apart:
            return False
    at = count * _FIELDS
    scratch[i, at + _LEFT] = left
    scratch[i, at + _TOP] = top
    scratch[i, at + _WIDTH] = width
    scratch[i, at + _HEIGHT] = height
    scratch[i, at + _DOOR_X] = door_x
    scratch[i, at + _DOOR_Y] = door_y
    return True


@inner
def _add_chain(streams, scratch, params, i, wanted):
    """Places rooms one behind the other until one finds no place in eight tries; returns how many there are."""
    door_x = below(streams, i, params[WIDTH] - 2)
    door_y = below(streams, i, params[WIDTH] - 2)
    wall = 2
    if not _add_room(streams, scratch, params, i, 0, wall, door_x, door_y):
        return 0
    count = 1
    while count < wanted:
        at = (count - 1) * _FIELDS
        left, top = scratch[i, at + _LEFT], scratch[i, at + _TOP]
        width, height = scratch[i, at + _WIDTH], scratch[i, at + _HEIGHT]
        placed = False
        for _ in range(_DOOR_TRIES):
            # One of the three walls that one did not come in by, in ascending order.
            leave = below(streams, i, 3)
            leave += leave >= wall
            door_x, door_y = left, top
            if leave == 0 or leave == 2:
                door_y = top + between(streams, i, 1, height - 1)
                if leave == 0:
                    door_x = left + width - 1
            else:
                door_x = left + between(streams, i, 1, width - 1)
                if leave == 1:
                    door_y = top + height - 1
            enter = (leave + 2) & 3
            if _add_room(streams, scratch, params, i, count, enter, door_x, door_y):
                placed, wall = True, enter
                break
        if not placed:
            return count
        count += 1
    return count


@inner
def draw_chain(cells, streams, scratch, params, i):
    """Draws rooms until they are as many as wanted, and a door between each two; returns how many there are."""
    wanted = between(streams, i, params[FEWEST_ROOMS], params[MOST_ROOMS] + 1)
    while _add_chain(streams, scratch, params, i, wanted) < wanted:
        pass
    clear(cells, params, i)
    previous = -1  # place of the last door's colour in the alphabet
    for room in range(wanted):
        left, top, width, height = room_at(scratch, i, room)
        wall_box(cells, params, i, left, top, width, height)
        if room > 0:
            chosen = below(streams, i, 5 if previous >= 0 else 6)
            if previous >= 0:
                chosen += chosen >= previous
            previous = chosen
            door = DOOR | COLOURS_BY_NAME[chosen] << 8 | CLOSED << 16
            at = room * _FIELDS
            put(cells, params, i, scratch[i, at + _DOOR_X], scratch[i, at + _DOOR_Y], door)
    return wanted


@inner
def room_at(scratch, i, room):
    """Left, top, width and height of a room that was drawn, its walls included."""
    at = room * _FIELDS
    return scratch[i, at + _LEFT], scratch[i, at + _TOP], scratch[i, at + _WIDTH], scratch[i, at + _HEIGHT]


@inner
def generate(cells, facts, streams, scratch, params, i):
    wanted = draw_chain(cells, streams, scratch, params, i)
    left, top, width, height = room_at(scratch, i, 0)
    place_agent(cells, facts, streams, params, i, left, top, width, height, FOREVER)
    left, top, width, height = room_at(scratch, i, wanted - 1)
    place(cells, facts, streams, params, i, GOAL_CELL, left, top, width, height)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return "traverse the rooms to get to the goal"
