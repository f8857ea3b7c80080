"""What one action does to one environment: MiniGrid's seven actions on walls, doors, keys, balls, boxes, lava, goal."""

from rewardlab.gridworld.constants import (
    BALL,
    BOX,
    CARRIED,
    CLOSED,
    DIRECTION,
    DOOR,
    DROP,
    EMPTY_CELL,
    FLOOR,
    FORWARD,
    GOAL,
    HEIGHT,
    KEY,
    LAVA,
    LEFT,
    LOCKED,
    MAX_STEPS,
    NO_OBJECT,
    NOTHING,
    OPEN,
    PICKUP,
    RIGHT,
    STEPS,
    TOGGLE,
    WALL_CELL,
    WIDTH,
    X,
    Y,
)
from rewardlab.kernel_cache import inner


@inner
def kind_of(cell):
    return cell & 0xFF


@inner
def colour_of(cell):
    return (cell >> 8) & 0xFF


@inner
def state_of(cell):
    return (cell >> 16) & 0xFF


@inner
def contents_of(cell):
    """The cell that a box leaves when it is opened."""
    hidden = (cell >> 24) & 0xFF
    if hidden == 0:
        return EMPTY_CELL
    return (hidden & 0xF) | (hidden >> 4) << 8


@inner
def step_x(direction):
    return (direction == 0) - (direction == 2)


@inner
def step_y(direction):
    return (direction == 1) - (direction == 3)


@inner
def cell_at(cells, params, i, x, y):
    """The cell at (x, y) as int64; outside of the grid, a wall."""
    if x < 0 or y < 0 or x >= params[WIDTH] or y >= params[HEIGHT]:
        return WALL_CELL
    return int(cells[i, y * params[WIDTH] + x])


@inner
def front_x(facts, i):
    return facts[i, X] + step_x(facts[i, DIRECTION])


@inner
def front_y(facts, i):
    return facts[i, Y] + step_y(facts[i, DIRECTION])


@inner
def success_reward(facts, params, i):
    """1 - 0.9 * steps / max_steps: what a success pays in MiniGrid."""
    return 1 - 0.9 * (facts[i, STEPS] / params[MAX_STEPS])


@inner
def act(cells, facts, params, i, action):
    """Takes one action; returns the reward (float64) and whether the episode terminated."""
    facts[i, STEPS] += 1
    direction = facts[i, DIRECTION]
    if action == LEFT:
        facts[i, DIRECTION] = (direction + 3) & 3
        return 0.0, False
    if action == RIGHT:
        facts[i, DIRECTION] = (direction + 1) & 3
        return 0.0, False
    x, y = front_x(facts, i), front_y(facts, i)
    front = cell_at(cells, params, i, x, y)
    kind = kind_of(front)
    if action == FORWARD:
        opened = kind == DOOR and state_of(front) == OPEN
        if kind == NOTHING or kind == GOAL or kind == FLOOR or kind == LAVA or opened:
            facts[i, X] = x
            facts[i, Y] = y
        if kind == GOAL:
            return success_reward(facts, params, i), True
        return 0.0, kind == LAVA
    at = y * params[WIDTH] + x
    carried = facts[i, CARRIED]
    if action == PICKUP:
        if carried == NO_OBJECT and (kind == KEY or kind == BALL or kind == BOX):
            facts[i, CARRIED] = front
            cells[i, at] = EMPTY_CELL
    elif action == DROP:
        if carried != NO_OBJECT and kind == NOTHING:
            cells[i, at] = carried
            facts[i, CARRIED] = NO_OBJECT
    elif action == TOGGLE:
        if kind == DOOR:
            _toggle_door(cells, i, at, front, carried)
        elif kind == BOX:
            cells[i, at] = contents_of(front)
    return 0.0, False


@inner
def _toggle_door(cells, i, at, door, carried):
    """Opens, closes, or unlocks and opens; a locked door wants a key of its colour in the agent's hands."""
    plain = door & 0xFFFF
    if state_of(door) == LOCKED:
        if kind_of(carried) == KEY and colour_of(carried) == colour_of(door):
            cells[i, at] = plain | OPEN << 16
    elif state_of(door) == OPEN:
        cells[i, at] = plain | CLOSED << 16
    else:
        cells[i, at] = plain | OPEN << 16
