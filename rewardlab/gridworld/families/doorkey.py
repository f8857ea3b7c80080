"""DoorKey: a key on the left, a locked door in the middle, the goal on the right."""

from rewardlab.gridworld.constants import DOOR, FINE, GOAL_CELL, HEIGHT, KEY, LOCKED, WALL_CELL, WIDTH, YELLOW
from rewardlab.gridworld.drawing import FOREVER, column_of, place, place_agent, put, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import between
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"


@inner
def generate(cells, facts, streams, scratch, params, i):
    width, height = params[WIDTH], params[HEIGHT]
    walled(cells, params, i)
    put(cells, params, i, width - 2, height - 2, GOAL_CELL)
    split = between(streams, i, 2, width - 2)
    column_of(cells, params, i, split, 0, height, WALL_CELL)
    place_agent(cells, facts, streams, params, i, 0, 0, split, height, FOREVER)
    door_y = between(streams, i, 1, height - 2)
    put(cells, params, i, split, door_y, DOOR | YELLOW << 8 | LOCKED << 16)
    place(cells, facts, streams, params, i, KEY | YELLOW << 8, 0, 0, split, height)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return "use the key to open the door and then get to the goal"
