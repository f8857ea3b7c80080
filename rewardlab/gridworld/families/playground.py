"""Playground: nine rooms with doors, twelve random objects, no task."""

from rewardlab.gridworld.constants import CLOSED, DOOR, FINE, HEIGHT, KEY, WALL_CELL, WIDTH
from rewardlab.gridworld.drawing import column_of, place_agent_anywhere, place_anywhere, put, row_of, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import any_colour, below, between
from rewardlab.kernel_cache import inner

SUCCESS = None
_NUM_OBJECTS = 12


@inner
def generate(cells, facts, streams, scratch, params, i):
    walled(cells, params, i)
    room_width, room_height = params[WIDTH] // 3, params[HEIGHT] // 3
    for row in range(3):
        for column in range(3):
            left, top = column * room_width, row * room_height
            right, bottom = left + room_width, top + room_height
            if column < 2:
                column_of(cells, params, i, right, top, room_height, WALL_CELL)
                y = between(streams, i, top + 1, bottom - 1)
                put(cells, params, i, right, y, DOOR | any_colour(streams, i) << 8 | CLOSED << 16)
            if row < 2:
                row_of(cells, params, i, left, bottom, room_width, WALL_CELL)
                x = between(streams, i, left + 1, right - 1)
                put(cells, params, i, x, bottom, DOOR | any_colour(streams, i) << 8 | CLOSED << 16)
    place_agent_anywhere(cells, facts, streams, params, i)
    for _ in range(_NUM_OBJECTS):
        kind = KEY + below(streams, i, 3)
        place_anywhere(cells, facts, streams, params, i, kind | any_colour(streams, i) << 8)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return ""
