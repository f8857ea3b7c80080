"""Where the agent could stand in a level, everything else left as it is."""

from __future__ import annotations

import numpy as np

from rewardlab.gridworld.constants import DOOR, FLOOR, NOTHING, OPEN
from rewardlab.gridworld.state import State

_DIRECTIONS = 4


def standings(state: State) -> State:
    """The agent put on every free cell, in every direction: states of P places, from one state, n = 1.

    Free are empty cells, floor and open doors, not those that hold a thing, nor goals and lava, where episodes end.
    """
    cells = state["cells"][0]
    kind, shape = cells[..., 0], cells[..., 2]
    y, x = np.nonzero((kind == NOTHING) | (kind == FLOOR) | ((kind == DOOR) & (shape == OPEN)))
    agent = np.stack(
        [np.repeat(x, _DIRECTIONS), np.repeat(y, _DIRECTIONS), np.tile(range(_DIRECTIONS), len(x))], axis=1
    )
    count = len(agent)
    placed = {name: np.repeat(entry, count, axis=0) for name, entry in state.items()}
    return placed | {"agent": agent.astype(state["agent"].dtype)}
