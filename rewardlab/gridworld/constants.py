"""The numbers that every kernel shares: cell codes, colours, actions, and where each fact of an environment lies.

A cell is one uint32 of four bytes: object, colour, state, contents. The first three are MiniGrid's own encoding
(`minigrid.core.constants`), so that an image is read off directly; the fourth holds what a box hides, as
``object | colour << 4``.
"""

import numpy as np

# MiniGrid's object indices.
UNSEEN, NOTHING, WALL, FLOOR, DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
OBJECT_NAMES = ("unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent")

# MiniGrid's colour indices, and the alphabetical order in which its generators pick colours.
RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(6)
COLOUR_NAMES = ("red", "green", "blue", "purple", "yellow", "grey")
COLOURS_BY_NAME = np.array([BLUE, GREEN, GREY, PURPLE, RED, YELLOW], dtype=np.int64)

# Door states.
OPEN, CLOSED, LOCKED = range(3)

# Actions.
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
NUM_ACTIONS = 7


def code(kind: int, colour: int = 0, state: int = 0, contents: int = 0) -> int:
    """The uint32 of one cell."""
    return kind | colour << 8 | state << 16 | contents << 24


EMPTY_CELL = code(NOTHING)
WALL_CELL = code(WALL, GREY)
GOAL_CELL = code(GOAL, GREEN)
LAVA_CELL = code(LAVA, RED)
NO_OBJECT = 0  # what "carries nothing" is stored as

# Columns of `facts`, int32 [N, NUM_FACTS].
X, Y, DIRECTION, CARRIED, STEPS = range(5)
MISSION = 5  # four numbers that a mission's words are made from
NUM_MISSION = 4
REGISTER = 9  # the task's own memory: target positions, obstacles
NUM_REGISTERS = 12
NUM_FACTS = REGISTER + NUM_REGISTERS

# Places in `params`, int64 [NUM_PARAMS]: the same for all environments of a batch.
WIDTH, HEIGHT, MAX_STEPS = range(3)
OPTION = 3  # the family's own options start here
NUM_PARAMS = 12

# Scratch of a level generator, int32 [N, NUM_SCRATCH].
NUM_SCRATCH = 160

# What a generator returns.
FINE, STUCK = range(2)
