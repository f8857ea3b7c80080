"""Dynamic-Obstacles: blue balls that move at random; walking into anything but the goal costs 1 and ends it all."""

from rewardlab.gridworld.constants import (
    BALL,
    BLUE,
    DONE,
    EMPTY_CELL,
    FINE,
    FORWARD,
    GOAL,
    GOAL_CELL,
    HEIGHT,
    NOTHING,
    OPTION,
    REGISTER,
    STUCK,
    WIDTH,
)
from rewardlab.gridworld.drawing import free_position, place_agent_anywhere, put, set_agent, walled
from rewardlab.gridworld.moves import cell_at, front_x, front_y
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"
POSITIONS = 8  # registers that are positions in the grid
RANDOM_START, NUM_OBSTACLES = OPTION, OPTION + 1
OBSTACLE = REGISTER  # the position of each obstacle, in the order in which they move; at most eight

_OBSTACLE_CELL = BALL | BLUE << 8
_TRIES = 100


@inner
def generate(cells, facts, streams, scratch, params, i):
    width, height = params[WIDTH], params[HEIGHT]
    walled(cells, params, i)
    put(cells, params, i, width - 2, height - 2, GOAL_CELL)
    if params[RANDOM_START]:
        place_agent_anywhere(cells, facts, streams, params, i)
    else:
        set_agent(facts, i, 1, 1, 0)
    for k in range(params[NUM_OBSTACLES]):
        at = free_position(cells, facts, streams, params, i, 0, 0, width, height, 1, _TRIES)
        if at < 0:
            return STUCK
        cells[i, at] = _OBSTACLE_CELL
        facts[i, OBSTACLE + k] = at
    return FINE


@inner
def begin(cells, facts, streams, params, i, action):
    """Moves every obstacle to a free neighbouring cell, if one is found; notes whether the way was blocked before."""
    front = cell_at(cells, params, i, front_x(facts, i), front_y(facts, i)) & 0xFF
    blocked = front != NOTHING and front != GOAL
    width = params[WIDTH]
    for k in range(params[NUM_OBSTACLES]):
        old = facts[i, OBSTACLE + k]
        left, top = max(old % width - 1, 0), max(old // width - 1, 0)
        at = free_position(cells, facts, streams, params, i, left, top, 3, 3, 1, _TRIES)
        if at >= 0:
            cells[i, at] = _OBSTACLE_CELL
            cells[i, old] = EMPTY_CELL
            facts[i, OBSTACLE + k] = at
    # Only moves exist here: any further action is one of the observation noise.
    return (action if action <= FORWARD else DONE), int(blocked)


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    if action == FORWARD and memo:
        return -1.0, True
    return reward, terminated


def words(numbers: tuple[int, ...]) -> str:
    return "get to the green goal square"
