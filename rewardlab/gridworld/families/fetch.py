"""Fetch: keys and balls in a room; pick up what the mission names, and nothing else."""

from rewardlab.gridworld.constants import (
    CARRIED,
    COLOUR_NAMES,
    FINE,
    KEY,
    MISSION,
    NO_OBJECT,
    OBJECT_NAMES,
    OPTION,
    REGISTER,
)
from rewardlab.gridworld.drawing import place_agent_anywhere, place_anywhere, walled
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.gridworld.moves import success_reward
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

SUCCESS = "the object of the mission is picked up"
NUM_OBJECTS = OPTION
TARGET = REGISTER  # object and colour to pick up

_ORDERS = ("get a", "go get a", "fetch a", "go fetch a", "you must fetch a")


@inner
def generate(cells, facts, streams, scratch, params, i):
    walled(cells, params, i)
    count = params[NUM_OBJECTS]
    for k in range(count):
        kind = KEY + below(streams, i, 2)
        scratch[i, k] = kind | any_colour(streams, i) << 8
        place_anywhere(cells, facts, streams, params, i, scratch[i, k])
    place_agent_anywhere(cells, facts, streams, params, i)
    target = scratch[i, below(streams, i, count)]
    facts[i, TARGET] = target
    facts[i, MISSION] = target & 0xFF
    facts[i, MISSION + 1] = target >> 8
    facts[i, MISSION + 2] = below(streams, i, 5)
    return FINE


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    carried = facts[i, CARRIED]
    if carried == NO_OBJECT:
        return reward, terminated
    if carried & 0xFFFF == facts[i, TARGET]:
        return success_reward(facts, params, i), True
    return 0.0, True


def words(numbers: tuple[int, ...]) -> str:
    return f"{_ORDERS[numbers[2]]} {COLOUR_NAMES[numbers[1]]} {OBJECT_NAMES[numbers[0]]}"
