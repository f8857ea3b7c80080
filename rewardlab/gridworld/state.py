"""The full state of environments as named numpy arrays: taken out, checked, put back.

| name | dtype, shape | content |
|---|---|---|
| cells | uint8 [n, H, W, 4] | object, colour, state, contents (`object | colour << 4`) of each cell, row by row |
| agent | int32 [n, 3] | x, y, direction (0 right, 1 down, 2 left, 3 up) |
| carried | uint8 [n, 4] | the carried object, as a cell; zeros for none |
| steps | int32 [n] | steps taken in the episode |
| mission | int32 [n, 4] | the numbers that the mission's words are made from |
| registers | int32 [n, 12], more in BabyAI | the task's own memory: targets, obstacles |
| visited | uint8 [n, H, W] | where the agent has been in the episode |
| streams | uint64 [n, 6] | the random stream that draws levels |
| choosers | uint64 [n, 6] | the random stream that chooses among fixed levels |
| noise | uint64 [n, 6] | the random stream of observation noise |
| channel | uint64 [n] | what the noisy television shows |
| level_of | int64 [n] | level seed of the episode, -1 for the environment's own stream |
| lists, list_at | int64 [n, E], int64 [n] | level seeds of the coming episodes, and how many are used up |
"""

import numpy as np

from rewardlab.errors import UserError
from rewardlab.gridworld.batch import World
from rewardlab.gridworld.constants import (
    AGENT,
    BALL,
    BOX,
    CARRIED,
    DOOR,
    FLOOR,
    GOAL,
    HEIGHT,
    KEY,
    LAVA,
    LOCKED,
    MAX_STEPS,
    MISSION,
    NOTHING,
    NUM_MISSION,
    OPEN,
    REGISTER,
    STEPS,
    UNSEEN,
    WIDTH,
    X,
)

State = dict[str, np.ndarray]

_WHOLE = ("visited", "streams", "choosers", "noise", "channel", "level_of", "list_at")


def shapes_of(world: World) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """dtype and shape (without the leading n) of each entry of a state, save `lists`."""
    width, height = int(world.params[WIDTH]), int(world.params[HEIGHT])
    as_type = np.dtype
    return {
        "cells": (as_type(np.uint8), (height, width, 4)),
        "agent": (as_type(np.int32), (3,)),
        "carried": (as_type(np.uint8), (4,)),
        "steps": (as_type(np.int32), ()),
        "mission": (as_type(np.int32), (NUM_MISSION,)),
        "registers": (as_type(np.int32), (world.facts.shape[1] - REGISTER,)),
        "visited": (as_type(np.uint8), (height, width)),
        "streams": (as_type(np.uint64), (6,)),
        "choosers": (as_type(np.uint64), (6,)),
        "noise": (as_type(np.uint64), (6,)),
        "channel": (as_type(np.uint64), ()),
        "level_of": (as_type(np.int64), ()),
        "list_at": (as_type(np.int64), ()),
    }


def cells_of(world: World) -> np.ndarray:
    """The cells as bytes, uint8 [N, H, W, 4]: a view, not a copy."""
    width, height = int(world.params[WIDTH]), int(world.params[HEIGHT])
    return world.cells.view(np.uint8).reshape(len(world.cells), height, width, 4)


def read(world: World, extra: State, where: np.ndarray) -> State:
    """Copies the state of the environments `where`, int64 [n]; `extra` holds noise and channel."""
    width, height = int(world.params[WIDTH]), int(world.params[HEIGHT])
    facts = world.facts[where]
    return {
        "cells": cells_of(world)[where],
        "agent": facts[:, X : X + 3].copy(),
        "carried": facts[:, CARRIED].astype(np.uint32).view(np.uint8).reshape(-1, 4),
        "steps": facts[:, STEPS].copy(),
        "mission": facts[:, MISSION : MISSION + NUM_MISSION].copy(),
        "registers": facts[:, REGISTER:].copy(),
        "visited": world.visited[where].reshape(-1, height, width),
        "streams": world.streams[where],
        "choosers": world.choosers[where],
        "noise": extra["noise"][where],
        "channel": extra["channel"][where],
        "level_of": world.level_of[where],
        "list_at": world.list_at[where],
        "lists": world.lists[where],
    }


def write(world: World, extra: State, where: np.ndarray, state: State) -> None:
    """Puts a checked state into the environments `where`; entries that are not there stay as they are."""
    if "lists" in state and state["lists"].shape[1] != world.lists.shape[1]:
        if len(where) != len(world.lists):
            raise UserError(
                f"state lists: {state['lists'].shape[1]} level seeds per environment do not fit beside "
                f"{world.lists.shape[1]}; leave the entries lists and list_at out"
            )
        world.lists = np.zeros((len(world.lists), state["lists"].shape[1]), dtype=np.int64)
    if "cells" in state:
        cells_of(world)[where] = state["cells"]
    columns = {"agent": slice(X, X + 3), "mission": slice(MISSION, MISSION + NUM_MISSION)}
    columns |= {"registers": slice(REGISTER, None), "steps": slice(STEPS, STEPS + 1)}
    for name, part in columns.items():
        if name in state:
            world.facts[where, part] = state[name].reshape(len(where), -1)
    if "carried" in state:
        carried = np.ascontiguousarray(state["carried"]).view(np.uint32).ravel()
        world.facts[where, CARRIED] = carried.astype(np.int32)
    for name in _WHOLE:
        if name in state:
            target = extra[name] if name in extra else getattr(world, name)
            target[where] = state[name].reshape((len(where), *target.shape[1:]))
    if "lists" in state:
        world.lists[where] = state["lists"]


def check(world: World, where: np.ndarray, state: State, positions: int) -> None:
    """Refuses a state that does not fit or breaks the rules of the grid, with one line that says why.

    Args:
        world: where it is to go.
        where: the environments that it is for, int64 [n].
        state: any of the entries above.
        positions: how many of the task's registers are positions in the grid.
    """
    shapes, count = shapes_of(world), len(where)
    for name, array in state.items():
        if name not in shapes and name != "lists":
            raise UserError(f"state entry {name}: unknown (allowed: {', '.join([*shapes, 'lists'])})")
        dtype, shape = shapes.get(name, (np.dtype(np.int64), None))
        if not isinstance(array, np.ndarray) or array.dtype != dtype:
            given = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise UserError(f"state entry {name}: must be a numpy array of {dtype}, got {given}")
        wanted = (count, array.shape[-1] if array.ndim == 2 else 0) if shape is None else (count, *shape)
        if array.shape != wanted:
            raise UserError(f"state entry {name}: must have shape {wanted}, got {array.shape}")
    if "cells" in state:
        _check_cells(state["cells"])
    if "agent" in state or "cells" in state:
        agents = state.get("agent", world.facts[where, X : X + 3])
        _check_agents(agents, state.get("cells", cells_of(world)[where]))
    if "carried" in state:
        _check_carried(state["carried"])
    if "steps" in state:
        _refuse(state["steps"] < 0, "steps", "must not be negative")
        _refuse(state["steps"] >= world.params[MAX_STEPS], "steps", f"must be below {world.params[MAX_STEPS]}")
    if "registers" in state:
        _check_registers(world, state["registers"], positions)


def _refuse(bad: np.ndarray, name: str, why: str) -> None:
    if bad.any():
        raise UserError(f"state entry {name}: environment {int(np.argwhere(bad)[0][0])} {why}")


def _check_cells(cells: np.ndarray) -> None:
    kind, colour, state = cells[..., 0], cells[..., 1], cells[..., 2]
    _refuse((kind == UNSEEN) | (kind >= AGENT), "cells", f"has an object code outside of {NOTHING} to {LAVA}")
    _refuse(colour > 5, "cells", "has a colour code above 5")
    _refuse((kind == NOTHING) & (cells[..., 1:].any(axis=-1)), "cells", "has an empty cell with colour or state")
    _refuse((state > LOCKED) | ((state > 0) & (kind != DOOR)), "cells", "has a state that its object cannot have")
    _check_contents(cells, "cells")


def _check_contents(cells: np.ndarray, name: str) -> None:
    hidden = cells[..., 3]
    inside, colour = hidden & 0xF, hidden >> 4
    holds = hidden > 0
    _refuse(holds & (cells[..., 0] != BOX), name, "has contents in something that is no box")
    bad = holds & ((inside < KEY) | (inside > BOX) | (colour > 5))
    _refuse(bad, name, "has a box whose content is no key, ball or box")


def _check_agents(agents: np.ndarray, cells: np.ndarray) -> None:
    height, width = cells.shape[1:3]
    x, y, direction = agents[:, 0], agents[:, 1], agents[:, 2]
    _refuse((x < 0) | (x >= width) | (y < 0) | (y >= height), "agent", f"stands outside of the {width} x {height} grid")
    _refuse((direction < 0) | (direction > 3), "agent", "has a direction outside of 0 to 3")
    under = cells[np.arange(len(agents)), y, x]
    free = np.isin(under[:, 0], (NOTHING, GOAL, LAVA, FLOOR)) | ((under[:, 0] == DOOR) & (under[:, 2] == OPEN))
    _refuse(~free, "agent", "stands on something that cannot be stood on")


def _check_carried(carried: np.ndarray) -> None:
    kind = carried[:, 0]
    portable = (kind == KEY) | (kind == BALL) | (kind == BOX)
    nothing = ~carried.any(axis=1)
    _refuse(~(portable | nothing), "carried", "carries something that is no key, ball or box")
    _refuse((carried[:, 1] > 5) | (carried[:, 2] > 0), "carried", "carries an object with a wrong colour or state")
    _check_contents(carried, "carried")


def _check_registers(world: World, registers: np.ndarray, positions: int) -> None:
    area = world.cells.shape[1]
    # Kernels follow these without looking: none may lead outside of the grid.
    bad = (registers[:, :positions] < 0) | (registers[:, :positions] >= area)
    _refuse(bad, "registers", f"has a position outside of 0 to {area - 1}")
