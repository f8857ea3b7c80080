"""NoisyDarkRooms: a chain of rooms behind closed doors, each dark or noisy by chance; there is no task.

A dark room is empty. In a noisy one a box stands somewhere, and every other cell is floor of one of six colours, drawn
anew before every action, until the box is toggled. Nothing can be picked up.

Source: Fickinger et al. 2021, "Explore and control with adversarial surprise" (arXiv:2107.07394), and its code.
"""

from rewardlab.gridworld.constants import BOX, DONE, FINE, FLOOR, OPTION, PICKUP, REGISTER, TOGGLE, WIDTH
from rewardlab.gridworld.drawing import FOREVER, free_position, place_agent
from rewardlab.gridworld.families.multiroom import draw_chain, room_at
from rewardlab.gridworld.moves import cell_at, front_x, front_y, kind_of
from rewardlab.gridworld.streams import any_colour, below
from rewardlab.kernel_cache import inner

SUCCESS = None
ROOMS = 4
NOISY_SHARE = OPTION + 3  # in a hundred rooms; the options before it are MultiRoom's
POSITIONS = 2 * ROOMS  # registers that are positions in the grid
FIRST, LAST, KIND = REGISTER, REGISTER + ROOMS, REGISTER + 2 * ROOMS  # of each room: its inner corners, and its kind
DARK, NOISY, SILENCED = range(3)


@inner
def generate(cells, facts, streams, scratch, params, i):
    draw_chain(cells, streams, scratch, params, i)
    grid_width = params[WIDTH]
    for room in range(ROOMS):
        left, top, width, height = room_at(scratch, i, room)
        facts[i, FIRST + room] = (top + 1) * grid_width + left + 1
        facts[i, LAST + room] = (top + height - 2) * grid_width + left + width - 2
        facts[i, KIND + room] = NOISY if below(streams, i, 100) < params[NOISY_SHARE] else DARK
    left, top, width, height = room_at(scratch, i, 0)
    place_agent(cells, facts, streams, params, i, left, top, width, height, FOREVER)
    for room in range(ROOMS):
        if facts[i, KIND + room] == NOISY:
            left, top, width, height = room_at(scratch, i, room)
            at = free_position(cells, facts, streams, params, i, left, top, width, height, 1, FOREVER)
            _flicker(cells, facts, streams, params, i, room)
            cells[i, at] = BOX | any_colour(streams, i) << 8
    return FINE


@inner
def _flicker(cells, facts, streams, params, i, room):
    """Draws the colour of every cell of a room anew, but for a box."""
    width = params[WIDTH]
    first, last = facts[i, FIRST + room], facts[i, LAST + room]
    for row in range(first // width, last // width + 1):
        for at in range(row * width + first % width, row * width + last % width + 1):
            if kind_of(cells[i, at]) != BOX:
                cells[i, at] = FLOOR | any_colour(streams, i) << 8


@inner
def _room_of(facts, params, i, x, y):
    """Inside of which room a cell lies, or -1."""
    width = params[WIDTH]
    for room in range(ROOMS):
        first, last = facts[i, FIRST + room], facts[i, LAST + room]
        if first % width <= x <= last % width and first // width <= y <= last // width:
            return room
    return -1


@inner
def begin(cells, facts, streams, params, i, action):
    """Noise first; notes the room whose box is about to be toggled."""
    for room in range(ROOMS):
        if facts[i, KIND + room] == NOISY:
            _flicker(cells, facts, streams, params, i, room)
    toggled = -1
    if action == TOGGLE:
        x, y = front_x(facts, i), front_y(facts, i)
        if kind_of(cell_at(cells, params, i, x, y)) == BOX:
            toggled = _room_of(facts, params, i, x, y)
    return (DONE if action == PICKUP else action), toggled


@inner
def end(cells, facts, params, i, action, memo, reward, terminated):
    if memo >= 0:
        facts[i, KIND + memo] = SILENCED
    return reward, terminated


def words(numbers: tuple[int, ...]) -> str:
    return ""
