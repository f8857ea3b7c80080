"""RedBlueDoors: open the red door, then the blue one; the other order ends the episode without reward."""

from rewardlab.gridworld.constants import BLUE, CLOSED, DOOR, FINE, HEIGHT, OPEN, RED, REGISTER
from rewardlab.gridworld.drawing import FOREVER, place_agent, put, wall_box, walled
from rewardlab.gridworld.moves import state_of, success_reward
from rewardlab.gridworld.streams import between
from rewardlab.kernel_cache import inner

SUCCESS = "the blue door is opened after the red one"
POSITIONS = 2  # registers that are positions in the grid
RED_DOOR, BLUE_DOOR = REGISTER, REGISTER + 1  # their positions


@inner
def generate(cells, facts, streams, scratch, params, i):
    size = params[HEIGHT]
    walled(cells, params, i)
    wall_box(cells, params, i, size // 2, 0, size, size)
    place_agent(cells, facts, streams, params, i, size // 2, 0, size, size, FOREVER)
    y = between(streams, i, 1, size - 1)
    facts[i, RED_DOOR] = put(cells, params, i, size // 2, y, DOOR | RED << 8 | CLOSED << 16)
    y = between(streams, i, 1, size - 1)
    facts[i, BLUE_DOOR] = put(cells, params, i, size // 2 + size - 1, y, DOOR | BLUE << 8 | CLOSED << 16)
    return FINE


@inner
def _open(cells, facts, i, door):
    return state_of(int(cells[i, facts[i, door]])) == OPEN


@inner
def begin(cells, facts, streams, params, i, action):
    return action, _open(cells, facts, i, RED_DOOR) | _open(cells, facts, i, BLUE_DOOR) << 1


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    red_before, blue_before = memo & 1, memo >> 1
    if _open(cells, facts, i, BLUE_DOOR):
        return (success_reward(facts, params, i) if red_before else 0.0), True
    if _open(cells, facts, i, RED_DOOR) and blue_before:
        return 0.0, True
    return reward, terminated


def words(numbers: tuple[int, ...]) -> str:
    return "open the red door then the blue door"
