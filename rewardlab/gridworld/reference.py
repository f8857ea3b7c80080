"""Farama's own environments beside the engine: made by id, read into the engine's arrays, drawn by their renderer."""

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from rewardlab.gridworld.catalogue import find_task, registered_id
from rewardlab.gridworld.constants import BOX, COLOUR_NAMES, DOOR, LOCKED, NOTHING, OBJECT_NAMES, OPEN
from rewardlab.gridworld.hush import hush
from rewardlab.gridworld.looks import Look


def make_reference(env_id: str) -> Any:
    """Farama's environment of an id, without gymnasium's wrappers; the classic sizes too."""
    import gymnasium
    import minigrid
    import minigrid.envs

    task, own = find_task(env_id), registered_id(env_id)
    in_time = {} if own == env_id else {"max_steps": task.max_steps}
    if task.reference is not None:
        name, arguments = task.reference
        return getattr(minigrid.envs, name)(**dict(arguments) | in_time)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "a newer version exists": the old one is meant
        env = gymnasium.make(own, disable_env_checker=True, **in_time).unwrapped
    hush(env)
    return env


def encode(thing: Any) -> tuple[int, int, int, int]:
    """One of Farama's objects (or None) as the four bytes of a cell."""
    if thing is None:
        return NOTHING, 0, 0, 0
    kind, colour, state = thing.encode()
    inside = 0
    if thing.contains is not None:
        inner, inner_colour, _ = thing.contains.encode()
        inside = inner | inner_colour << 4
    return kind, colour, state, inside


def read_cells(env: Any) -> np.ndarray:
    """The grid of one of Farama's environments, uint8 [H, W, 4]."""
    cells = [encode(thing) for thing in env.grid.grid]
    return np.array(cells, dtype=np.uint8).reshape(env.grid.height, env.grid.width, 4)


def build(cell: np.ndarray) -> Any:
    """Farama's object of a cell, uint8 [4]; None for an empty one."""
    from minigrid.core import world_object

    kind, colour, state, inside = (int(number) for number in cell)
    if kind <= NOTHING:
        return None
    name = COLOUR_NAMES[colour]
    if kind == DOOR:
        return world_object.Door(name, is_open=state == OPEN, is_locked=state == LOCKED)
    if kind == BOX:
        contents = build(np.array([inside & 0xF, inside >> 4, 0, 0])) if inside else None
        return world_object.Box(name, contents)
    shape = getattr(world_object, OBJECT_NAMES[kind].capitalize())
    return shape() if OBJECT_NAMES[kind] == "lava" else shape(name)


@lru_cache(maxsize=8)
def _easel(env_id: str) -> Any:
    env = make_reference(env_id)
    env.reset(seed=0)
    return env


def picture(env_id: str, state: dict[str, np.ndarray], tile_size: int, highlight: bool, look: Look) -> np.ndarray:
    """Farama's picture of one environment's state (entries without their leading axis), uint8 [pixels, pixels, 3]."""
    env = _easel(env_id)
    if "VIEW_SIZE" in look.constants:
        env.agent_view_size, env.see_through_walls = look.constants["VIEW_SIZE"], look.constants["SEE_THROUGH"]
    else:
        highlight = False  # the whole grid is seen
    cells = state["cells"]
    for y in range(cells.shape[0]):
        for x in range(cells.shape[1]):
            env.grid.set(x, y, build(cells[y, x]))
    x, y, direction = (int(number) for number in state["agent"])
    env.agent_pos, env.agent_dir = np.array((x, y)), direction
    env.carrying = build(state["carried"])
    env.mission = ""
    return env.get_frame(highlight=highlight, tile_size=tile_size)
