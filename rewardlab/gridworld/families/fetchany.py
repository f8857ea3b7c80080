"""FetchAny: Fetch's keys and balls, but picking up another one than the goal ends nothing. Paid 1, whenever."""

from rewardlab.gridworld.constants import CARRIED
from rewardlab.gridworld.families.fetch import TARGET, generate  # noqa: F401
from rewardlab.gridworld.families.plain import begin  # noqa: F401
from rewardlab.kernel_cache import inner

SUCCESS = "the goal object is picked up"


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    if facts[i, CARRIED] & 0xFFFF == facts[i, TARGET]:
        return 1.0, True
    return 0.0, False


def words(numbers: tuple[int, ...]) -> str:
    return ""
