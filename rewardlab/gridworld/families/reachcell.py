"""ReachCell: an empty room or four rooms; a cell to be reached that looks like any other. Paid 1, whenever."""

from rewardlab.gridworld.constants import EMPTY_CELL, FINE, GOAL_CELL, OPTION, REGISTER, WIDTH, X, Y
from rewardlab.gridworld.drawing import place_agent_anywhere, place_anywhere, walled
from rewardlab.gridworld.families.fourrooms import four_rooms
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.kernel_cache import inner

SUCCESS = "the goal cell is reached"
FOUR_ROOMS = OPTION
TARGET = REGISTER  # position of the cell
POSITIONS = 1


@inner
def generate(cells, facts, streams, scratch, params, i):
    if params[FOUR_ROOMS]:
        four_rooms(cells, streams, params, i)
    else:
        walled(cells, params, i)
    place_agent_anywhere(cells, facts, streams, params, i)
    target = place_anywhere(cells, facts, streams, params, i, GOAL_CELL)
    cells[i, target] = EMPTY_CELL
    facts[i, TARGET] = target
    return FINE


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    if facts[i, Y] * params[WIDTH] + facts[i, X] == facts[i, TARGET]:
        return 1.0, True
    return 0.0, False


def words(numbers: tuple[int, ...]) -> str:
    return ""
