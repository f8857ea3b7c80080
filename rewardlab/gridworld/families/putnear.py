"""PutNear: pick up one object of the mission and drop it next to where the other one was at the start."""

from rewardlab.gridworld.constants import (
    CARRIED,
    COLOUR_NAMES,
    DROP,
    EMPTY_CELL,
    FINE,
    HEIGHT,
    KEY,
    MISSION,
    NO_OBJECT,
    OBJECT_NAMES,
    OPTION,
    PICKUP,
    REGISTER,
    WIDTH,
)
from rewardlab.gridworld.drawing import place_agent_anywhere, walled
from rewardlab.gridworld.moves import front_x, front_y, success_reward
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

SUCCESS = "the first object is dropped next to the place of the second one"
NUM_OBJECTS = OPTION
MOVED, TARGET = REGISTER, REGISTER + 1  # object and colour to move; position to put it near to


@inner
def _near_any(scratch, params, i, count, at):
    """Whether a position touches one of those already taken, diagonals included."""
    width = params[WIDTH]
    for k in range(count):
        other = scratch[i, 2 * k + 1]
        if abs(at % width - other % width) <= 1 and abs(at // width - other // width) <= 1:
            return True
    return False


@inner
def generate(cells, facts, streams, scratch, params, i):
    width = params[WIDTH]
    walled(cells, params, i)
    placed, taken = 0, 0
    while placed < params[NUM_OBJECTS]:
        kind = KEY + below(streams, i, 3)
        colour = any_colour(streams, i)
        same = 1 << (6 * (kind - KEY) + colour)
        if taken & same:
            continue
        taken |= same
        at = below(streams, i, width) + width * below(streams, i, params[HEIGHT])
        while cells[i, at] != EMPTY_CELL or _near_any(scratch, params, i, placed, at):
            at = below(streams, i, width) + width * below(streams, i, params[HEIGHT])
        cells[i, at] = kind | colour << 8
        scratch[i, 2 * placed] = kind | colour << 8
        scratch[i, 2 * placed + 1] = at
        placed += 1
    place_agent_anywhere(cells, facts, streams, params, i)
    moved = below(streams, i, placed)
    target = below(streams, i, placed)
    while target == moved:
        target = below(streams, i, placed)
    facts[i, MOVED] = scratch[i, 2 * moved]
    facts[i, TARGET] = scratch[i, 2 * target + 1]
    facts[i, MISSION] = scratch[i, 2 * moved] & 0xFF
    facts[i, MISSION + 1] = scratch[i, 2 * moved] >> 8
    facts[i, MISSION + 2] = scratch[i, 2 * target] & 0xFF
    facts[i, MISSION + 3] = scratch[i, 2 * target] >> 8
    return FINE


@inner
def begin(cells, facts, streams, params, i, action):
    return action, int(facts[i, CARRIED])


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    carried = facts[i, CARRIED]
    if action == PICKUP and carried != NO_OBJECT and carried & 0xFFFF != facts[i, MOVED]:
        return reward, True
    if action == DROP and memo != NO_OBJECT:
        if carried == NO_OBJECT:
            target_x, target_y = facts[i, TARGET] % params[WIDTH], facts[i, TARGET] // params[WIDTH]
            if abs(front_x(facts, i) - target_x) <= 1 and abs(front_y(facts, i) - target_y) <= 1:
                reward = success_reward(facts, params, i)
        return reward, True
    return reward, terminated


def words(numbers: tuple[int, ...]) -> str:
    kind, colour, other_kind, other_colour = numbers
    moved = f"{COLOUR_NAMES[colour]} {OBJECT_NAMES[kind]}"
    return f"put the {moved} near the {COLOUR_NAMES[other_colour]} {OBJECT_NAMES[other_kind]}"
