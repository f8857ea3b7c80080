"""DistShift: a fixed room with two strips of lava, the second one in a row of choice."""

from rewardlab.gridworld.constants import FINE, GOAL_CELL, LAVA_CELL, OPTION, WIDTH
from rewardlab.gridworld.drawing import put, row_of, set_agent, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"
STRIP_ROW = OPTION


@inner
def generate(cells, facts, streams, scratch, params, i):
    width = params[WIDTH]
    walled(cells, params, i)
    put(cells, params, i, width - 2, 1, GOAL_CELL)
    row_of(cells, params, i, 3, 1, width - 6, LAVA_CELL)
    row_of(cells, params, i, 3, params[STRIP_ROW], width - 6, LAVA_CELL)
    set_agent(facts, i, 1, 1, 0)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return "get to the green goal square"
