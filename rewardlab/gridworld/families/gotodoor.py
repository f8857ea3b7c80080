"""GoToDoor: four doors of different colours; stand next to the one of the mission and say `done`."""

from rewardlab.gridworld.constants import (
    CLOSED,
    COLOUR_NAMES,
    DONE,
    DOOR,
    FINE,
    HEIGHT,
    MISSION,
    REGISTER,
    TOGGLE,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.drawing import FOREVER, clear, place_agent, wall_box
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.gridworld.moves import success_reward
from rewardlab.gridworld.streams import any_colour, below, between
from rewardlab.kernel_cache import inner

SUCCESS = "done is said next to the door of the mission"
TARGET = REGISTER  # position of the thing to go to


@inner
def generate(cells, facts, streams, scratch, params, i):
    clear(cells, params, i)
    width = between(streams, i, 5, params[WIDTH] + 1)
    height = between(streams, i, 5, params[HEIGHT] + 1)
    wall_box(cells, params, i, 0, 0, width, height)
    upper = between(streams, i, 2, width - 2)
    lower = (height - 1) * params[WIDTH] + between(streams, i, 2, width - 2)
    left = between(streams, i, 2, height - 2) * params[WIDTH]
    right = between(streams, i, 2, height - 2) * params[WIDTH] + width - 1
    places = (upper, lower, left, right)
    taken = 0
    for k in range(4):
        colour = any_colour(streams, i)
        while (taken >> colour) & 1:
            colour = any_colour(streams, i)
        taken |= 1 << colour
        scratch[i, k] = colour
    for k in range(4):
        cells[i, places[k]] = DOOR | scratch[i, k] << 8 | CLOSED << 16
    place_agent(cells, facts, streams, params, i, 0, 0, width, height, FOREVER)
    chosen = below(streams, i, 4)
    facts[i, TARGET] = places[chosen]
    facts[i, MISSION] = scratch[i, chosen]
    return FINE


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    if action == TOGGLE:
        return reward, True
    if action == DONE:
        target_x, target_y = facts[i, TARGET] % params[WIDTH], facts[i, TARGET] // params[WIDTH]
        if abs(facts[i, X] - target_x) + abs(facts[i, Y] - target_y) == 1:
            reward = success_reward(facts, params, i)
        return reward, True
    return reward, terminated


def words(numbers: tuple[int, ...]) -> str:
    return f"go to the {COLOUR_NAMES[numbers[0]]} door"
