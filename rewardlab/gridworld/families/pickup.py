"""The rule of tasks that end when the object of the mission is picked up."""

from rewardlab.gridworld.constants import CARRIED, COLOUR_NAMES, NO_OBJECT, OBJECT_NAMES, PICKUP, REGISTER
from rewardlab.gridworld.moves import success_reward
from rewardlab.kernel_cache import inner

TARGET = REGISTER  # object and colour of the thing to pick up; unique in every level of these families


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    carried = facts[i, CARRIED]
    if action == PICKUP and carried != NO_OBJECT and carried & 0xFFFF == facts[i, TARGET]:
        return success_reward(facts, params, i), True
    return reward, terminated


def target_words(numbers: tuple[int, ...]) -> str:
    """The mission, from object and colour."""
    return f"pick up the {COLOUR_NAMES[numbers[1]]} {OBJECT_NAMES[numbers[0]]}"
