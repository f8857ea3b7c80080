"""GoToObject: different keys, balls and boxes in a room; stand next to the one of the mission and say `done`."""

from rewardlab.gridworld.constants import COLOUR_NAMES, FINE, KEY, MISSION, OBJECT_NAMES, OPTION
from rewardlab.gridworld.drawing import place_agent_anywhere, place_anywhere, walled
from rewardlab.gridworld.families.gotodoor import TARGET, end  # noqa: F401
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

SUCCESS = "done is said next to the object of the mission"
NUM_OBJECTS = OPTION


@inner
def generate(cells, facts, streams, scratch, params, i):
    walled(cells, params, i)
    placed, taken = 0, 0
    while placed < params[NUM_OBJECTS]:
        kind = KEY + below(streams, i, 3)
        colour = any_colour(streams, i)
        same = 1 << (6 * (kind - KEY) + colour)
        if taken & same:
            continue
        taken |= same
        scratch[i, 2 * placed] = kind | colour << 8
        scratch[i, 2 * placed + 1] = place_anywhere(cells, facts, streams, params, i, kind | colour << 8)
        placed += 1
    place_agent_anywhere(cells, facts, streams, params, i)
    chosen = below(streams, i, placed)
    facts[i, TARGET] = scratch[i, 2 * chosen + 1]
    facts[i, MISSION] = scratch[i, 2 * chosen] & 0xFF
    facts[i, MISSION + 1] = scratch[i, 2 * chosen] >> 8
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    return f"go to the {COLOUR_NAMES[numbers[1]]} {OBJECT_NAMES[numbers[0]]}"
