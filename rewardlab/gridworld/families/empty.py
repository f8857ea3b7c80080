"""Empty: one room, a goal in its far corner; the agent in the near corner or (option) anywhere."""

from rewardlab.gridworld.constants import FINE, GOAL_CELL, HEIGHT, OPTION, WIDTH
from rewardlab.gridworld.drawing import place_agent_anywhere, put, set_agent, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"
RANDOM_START = OPTION


@inner
def generate(cells, facts, streams, scratch, params, i):
    walled(cells, params, i)
    put(cells, params, i, params[WIDTH] - 2, params[HEIGHT] - 2, GOAL_CELL)
    if params[RANDOM_START]:
        place_agent_anywhere(cells, facts, streams, params, i)
    else:
        set_agent(facts, i, 1, 1, 0)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return "get to the green goal square"
