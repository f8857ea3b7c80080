"""FourRooms: four rooms joined by a gap in each inner wall; agent and goal anywhere."""

from rewardlab.gridworld.constants import EMPTY_CELL, FINE, GOAL_CELL, HEIGHT, WALL_CELL, WIDTH
from rewardlab.gridworld.drawing import column_of, place_agent_anywhere, place_anywhere, put, row_of, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import between
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"


@inner
def four_rooms(cells, streams, params, i):
    """Walls, and a gap in each of the four inner ones."""
    walled(cells, params, i)
    room_width, room_height = params[WIDTH] // 2, params[HEIGHT] // 2
    for row in range(2):
        for column in range(2):
            left, top = column * room_width, row * room_height
            right, bottom = left + room_width, top + room_height
            if column == 0:
                column_of(cells, params, i, right, top, room_height, WALL_CELL)
                put(cells, params, i, right, between(streams, i, top + 1, bottom), EMPTY_CELL)
            if row == 0:
                row_of(cells, params, i, left, bottom, room_width, WALL_CELL)
                put(cells, params, i, between(streams, i, left + 1, right), bottom, EMPTY_CELL)


@inner
def generate(cells, facts, streams, scratch, params, i):
    four_rooms(cells, streams, params, i)
    place_agent_anywhere(cells, facts, streams, params, i)
    place_anywhere(cells, facts, streams, params, i, GOAL_CELL)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return "reach the goal"
