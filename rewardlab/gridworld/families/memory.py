"""Memory: an object in the start room, two at the end of a hallway; go to the one that matches."""

from rewardlab.gridworld.constants import (
    BALL,
    FINE,
    GREEN,
    HEIGHT,
    KEY,
    OPTION,
    PICKUP,
    REGISTER,
    TOGGLE,
    WALL_CELL,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.drawing import put, row_of, set_agent, walled
from rewardlab.gridworld.moves import success_reward
from rewardlab.gridworld.streams import below, between
from rewardlab.kernel_cache import inner

SUCCESS = "the end of the hallway with the matching object is reached"
RANDOM_LENGTH = OPTION
RIGHT_PLACE, WRONG_PLACE = REGISTER, REGISTER + 1  # positions that end the episode

_FIRST_ROOM_END = 5


@inner
def generate(cells, facts, streams, scratch, params, i):
    width, height = params[WIDTH], params[HEIGHT]
    middle = height // 2
    walled(cells, params, i)
    end_x = between(streams, i, 4, width - 2) if params[RANDOM_LENGTH] else width - 3
    row_of(cells, params, i, 1, middle - 2, _FIRST_ROOM_END - 1, WALL_CELL)
    row_of(cells, params, i, 1, middle + 2, _FIRST_ROOM_END - 1, WALL_CELL)
    put(cells, params, i, 4, middle - 1, WALL_CELL)
    put(cells, params, i, 4, middle + 1, WALL_CELL)
    for x in range(_FIRST_ROOM_END, end_x):
        put(cells, params, i, x, middle - 1, WALL_CELL)
        put(cells, params, i, x, middle + 1, WALL_CELL)
    for y in range(height):
        if y != middle:
            put(cells, params, i, end_x, y, WALL_CELL)
        put(cells, params, i, end_x + 2, y, WALL_CELL)
    set_agent(facts, i, between(streams, i, 1, end_x + 1), middle, 0)
    key, ball = KEY | GREEN << 8, BALL | GREEN << 8
    starts_with_key = below(streams, i, 2) == 0
    put(cells, params, i, 1, middle - 1, key if starts_with_key else ball)
    key_below = below(streams, i, 2) == 0
    put(cells, params, i, end_x + 1, middle - 2, ball if key_below else key)
    put(cells, params, i, end_x + 1, middle + 2, key if key_below else ball)
    upper = (middle - 1) * width + end_x + 1
    lower = (middle + 1) * width + end_x + 1
    matches_below = starts_with_key == key_below
    facts[i, RIGHT_PLACE] = lower if matches_below else upper
    facts[i, WRONG_PLACE] = upper if matches_below else lower
    return FINE


@inner
def begin(cells, facts, streams, params, i, action):
    # Nothing can be picked up here: MiniGrid turns that action into a toggle.
    return (TOGGLE if action == PICKUP else action), 0


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    at = facts[i, Y] * params[WIDTH] + facts[i, X]
    if at == facts[i, WRONG_PLACE]:
        return 0.0, True
    if at == facts[i, RIGHT_PLACE]:
        return success_reward(facts, params, i), True
    return reward, terminated


def words(numbers: tuple[int, ...]) -> str:
    return "go to the matching object at the end of the hallway"
