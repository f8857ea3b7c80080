"""LavaCrossing and SimpleCrossing: rivers of lava or walls across a room, one opening in each, a goal in the corner."""

from rewardlab.gridworld.constants import (
    EMPTY_CELL,
    FINE,
    GOAL_CELL,
    HEIGHT,
    LAVA_CELL,
    MISSION,
    OPTION,
    WALL_CELL,
    WIDTH,
)
from rewardlab.gridworld.drawing import column_of, put, row_of, set_agent, walled
from rewardlab.gridworld.families.plain import begin, end  # noqa: F401
from rewardlab.gridworld.streams import between, shuffle
from rewardlab.kernel_cache import inner

SUCCESS = "the goal is reached"
NUM_CROSSINGS, WALLS = OPTION, OPTION + 1

# Parts of scratch: the drawn rivers, and the sorted limits between which openings lie.
_RIVERS, _PATH, _VERTICAL, _HORIZONTAL = 0, 32, 48, 64


@inner
def _collect(scratch, i, chosen, vertical, low, high, out):
    """Sorted places of the chosen rivers of one direction, between two limits; returns how many there are."""
    scratch[i, out] = low
    count = 0
    for place in range(low + 2, high, 2):
        for k in range(chosen):
            if scratch[i, _RIVERS + k] == 2 * place + vertical:
                count += 1
                scratch[i, out + count] = place
    scratch[i, out + count + 1] = high
    return count


@inner
def generate(cells, facts, streams, scratch, params, i):
    width, height = params[WIDTH], params[HEIGHT]
    obstacle = WALL_CELL if params[WALLS] else LAVA_CELL
    facts[i, MISSION] = params[WALLS]
    walled(cells, params, i)
    set_agent(facts, i, 1, 1, 0)
    put(cells, params, i, width - 2, height - 2, GOAL_CELL)
    total = 0
    for place in range(2, height - 2, 2):
        scratch[i, _RIVERS + total] = 2 * place + 1
        total += 1
    for place in range(2, width - 2, 2):
        scratch[i, _RIVERS + total] = 2 * place
        total += 1
    shuffle(streams, i, scratch, _RIVERS, total)
    chosen = min(total, params[NUM_CROSSINGS])
    num_vertical = _collect(scratch, i, chosen, 1, 0, height - 1, _VERTICAL)
    num_horizontal = _collect(scratch, i, chosen, 0, 0, width - 1, _HORIZONTAL)
    for k in range(1, num_horizontal + 1):
        row_of(cells, params, i, 1, scratch[i, _HORIZONTAL + k], width - 2, obstacle)
    for k in range(1, num_vertical + 1):
        column_of(cells, params, i, scratch[i, _VERTICAL + k], 1, height - 2, obstacle)
    # The way to the goal: through a vertical river one moves on horizontally, and the reverse.
    for k in range(chosen):
        scratch[i, _PATH + k] = k < num_vertical
    shuffle(streams, i, scratch, _PATH, chosen)
    column, row = 0, 0
    for k in range(chosen):
        if scratch[i, _PATH + k]:
            x = scratch[i, _VERTICAL + column + 1]
            y = between(streams, i, scratch[i, _HORIZONTAL + row] + 1, scratch[i, _HORIZONTAL + row + 1])
            column += 1
        else:
            x = between(streams, i, scratch[i, _VERTICAL + column] + 1, scratch[i, _VERTICAL + column + 1])
            y = scratch[i, _HORIZONTAL + row + 1]
            row += 1
        put(cells, params, i, x, y, EMPTY_CELL)
    return FINE


def words(numbers: tuple[int, ...]) -> str:
    first = "find the opening" if numbers[0] else "avoid the lava"
    return f"{first} and get to the green goal square"
