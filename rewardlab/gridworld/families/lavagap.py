"""LavaGap: a column of lava with one gap between the agent and the goal."""

from rewardlab.gridworld.constants import EMPTY_CELL, FINE, GOAL_CELL, HEIGHT, LAVA_CELL, WIDTH
from rewardlab.gridworld.drawing import column_of, put, set_agent, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import between
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"


@inner
def generate(cells, facts, streams, scratch, params, i):
    width, height = params[WIDTH], params[HEIGHT]
    walled(cells, params, i)
    set_agent(facts, i, 1, 1, 0)
    put(cells, params, i, width - 2, height - 2, GOAL_CELL)
    x = between(streams, i, 2, width - 2)
    y = between(streams, i, 1, height - 1)
    column_of(cells, params, i, x, 1, height - 2, LAVA_CELL)
    put(cells, params, i, x, y, EMPTY_CELL)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return "avoid the lava and get to the green goal square"
