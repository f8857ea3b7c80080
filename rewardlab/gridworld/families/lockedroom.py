"""LockedRoom: six rooms along a hallway; the goal in a locked one, its key in another one, as the mission says."""

from rewardlab.gridworld.constants import (
    CLOSED,
    COLOUR_NAMES,
    COLOURS_BY_NAME,
    DOOR,
    FINE,
    GOAL_CELL,
    HEIGHT,
    KEY,
    LOCKED,
    MISSION,
    WALL_CELL,
    WIDTH,
)
from rewardlab.gridworld.drawing import FOREVER, column_of, place_agent, put, row_of, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import below, between
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"
_NUM_ROOMS = 6  # two per row: left, right


@inner
def _put_inside(cells, streams, params, i, room, left_wall, right_wall, cell):
    """Puts a cell at a random place inside a room."""
    left = 0 if room % 2 == 0 else right_wall
    top = (room // 2) * (params[HEIGHT] // 3)
    x = between(streams, i, left + 1, left + left_wall)
    y = between(streams, i, top + 1, top + params[HEIGHT] // 3)
    put(cells, params, i, x, y, cell)


@inner
def generate(cells, facts, streams, scratch, params, i):
    width, height = params[WIDTH], params[HEIGHT]
    left_wall, right_wall = width // 2 - 2, width // 2 + 2
    walled(cells, params, i)
    column_of(cells, params, i, left_wall, 0, height, WALL_CELL)
    column_of(cells, params, i, right_wall, 0, height, WALL_CELL)
    for row in range(3):
        row_of(cells, params, i, 0, row * (height // 3), left_wall, WALL_CELL)
        row_of(cells, params, i, right_wall, row * (height // 3), width - right_wall, WALL_CELL)
    locked = below(streams, i, _NUM_ROOMS)
    _put_inside(cells, streams, params, i, locked, left_wall, right_wall, GOAL_CELL)
    # A different colour for each door, from the alphabetical list of those left.
    left = 0b111111
    for room in range(_NUM_ROOMS):
        skip = below(streams, i, _NUM_ROOMS - room)
        place = 0
        while not (left >> place) & 1 or skip > 0:
            skip -= (left >> place) & 1
            place += 1
        left &= ~(1 << place)
        scratch[i, room] = COLOURS_BY_NAME[place]
        state = LOCKED if room == locked else CLOSED
        door_x = left_wall if room % 2 == 0 else right_wall
        door = DOOR | COLOURS_BY_NAME[place] << 8 | state << 16
        put(cells, params, i, door_x, (room // 2) * (height // 3) + 3, door)
    key_room = below(streams, i, _NUM_ROOMS)
    while key_room == locked:
        key_room = below(streams, i, _NUM_ROOMS)
    _put_inside(cells, streams, params, i, key_room, left_wall, right_wall, KEY | scratch[i, locked] << 8)
    place_agent(cells, facts, streams, params, i, left_wall, 0, right_wall - left_wall, height, FOREVER)
    facts[i, MISSION] = scratch[i, locked]
    facts[i, MISSION + 1] = scratch[i, key_room]
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    locked, room = COLOUR_NAMES[numbers[0]], COLOUR_NAMES[numbers[1]]
    return f"get the {locked} key from the {room} room, unlock the {locked} door and go to the goal"
