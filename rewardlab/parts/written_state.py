"""What written code sees of a state: arrays by name, in one table that lays them out, computes them and describes them.

A world on a grid tells them from its full state: `grid` and `held`. Any other world shows its `vector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rewardlab.errors import UserError
from rewardlab.facts import GRID, HELD
from rewardlab.maths.captions import COLOURS, KINDS
from rewardlab.types import Array, EnvSpec

MOST_OBJECTS = 48  # of a grid, at most; MiniGrid's own tasks have up to 33
VECTOR = "vector"
ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
_DOOR, _GOAL, _AGENT = KINDS.index("door"), KINDS.index("goal"), KINDS.index("agent")


@dataclass(frozen=True)
class StateField:
    """One array: [B, *shape]."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class StateLayout:
    """The arrays of a world's states.

    facts: of the full state that they are computed from; none: the observation's vector is all there is.
    constants: names that code finds defined.
    """

    fields: tuple[StateField, ...]
    facts: tuple[str, ...]
    constants: Mapping[str, int]

    def arrays(self, told: Mapping[str, Array]) -> dict[str, Array]:
        """Each field [B, *shape], of facts [B, ...] or, without facts, of observations.

        Raises:
            UserError: a grid holds more objects than fit.
        """
        return grid_arrays(told[GRID], told[HELD]) if self.facts else {VECTOR: told[VECTOR]}

    def described(self) -> str:
        """A line for each field and each constant, for whoever writes the code."""
        lines = [f"{each.name}: {each.dtype} {_shape(each.shape)}, {each.text}" for each in self.fields]
        return "\n".join([*lines, ", ".join(f"{name} = {value}" for name, value in self.constants.items())])


def facts_of(on_grid: bool) -> tuple[str, ...]:
    """The full-state facts that the states of a world are computed from."""
    return (GRID, HELD) if on_grid else ()


def state_layout(spec: EnvSpec, facts: tuple[str, ...], grid_shape: tuple[int, ...] = ()) -> StateLayout:
    """What code sees of a world's states.

    Args:
        facts: `facts_of` it. grid_shape: of the fact `grid`, [W, H, 3].

    Raises:
        UserError: the world shows nothing that code can read.
    """
    if facts:
        return StateLayout(_grid_fields(grid_shape), facts, _grid_constants(grid_shape, spec.max_steps))
    if VECTOR not in spec.obs:
        raise UserError(f"reward code reads grids and vectors, and {spec.id} shows {', '.join(spec.obs)}")
    shape = spec.obs[VECTOR].shape
    limit = {} if spec.max_steps is None else {"MAX_STEPS": spec.max_steps}
    return StateLayout((StateField(VECTOR, "float32", shape, "the numbers that the agent observes"),), (), limit)


def grid_arrays(grid: Array, held: Array) -> dict[str, Array]:
    """Fields of states on a grid.

    Args:
        grid: uint8 [B, W, H, 3], with the agent in it. held: [B, 3], kind, colour and state of what is carried.

    Returns:
        each field [B, ...] as `StateLayout` lists it.

    Raises:
        UserError: there are more objects than fit.
    """
    count, width, height, _ = grid.shape
    cells = grid.reshape(count, width * height, 3)
    kinds = np.ascontiguousarray(cells[..., 0])
    place = (kinds == _AGENT).argmax(axis=1)
    rows = np.arange(count)
    x, y = place // height, place % height
    direction = cells[rows, place, 2].astype(np.int16)
    ahead = cells[rows, (place + np.array([height, 1, -height, -1])[direction]).clip(0, width * height - 1)]
    found = {"agent_x": x, "agent_y": y, "agent_direction": direction}
    found |= {f"front_{name}": ahead[:, at] for at, name in enumerate(("kind", "colour", "state"))}
    found |= {"carrying_kind": held[:, 0], "carrying_colour": held[:, 1]}
    by_row = np.ascontiguousarray(kinds.reshape(count, width, height).swapaxes(1, 2)).reshape(count, -1)
    return {**found, **_objects(by_row, cells, width, height), "grid": grid}


def _objects(kinds: Array, cells: Array, width: int, height: int) -> dict[str, Array]:
    """Doors, keys, balls, boxes and goals, [B, M] each, in reading order; -1 fills up.

    Args:
        kinds: [B, H * W], row by row. cells: [B, W * H, 3], column by column.
    """
    found = np.flatnonzero((kinds - _DOOR) <= _GOAL - _DOOR)  # unsigned: what is less than a door is large
    row, at = np.divmod(found, width * height)
    counts = np.bincount(row, minlength=len(kinds))
    if counts.max(initial=0) > MOST_OBJECTS:
        raise UserError(f"reward code sees {MOST_OBJECTS} objects of a grid at most, and there are {counts.max()}")
    slot = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + row * MOST_OBJECTS
    y, x = np.divmod(at, width)
    told = np.concatenate([cells[row, x * height + y].astype(np.int16), x[:, None], y[:, None]], axis=1)
    objects = np.full((5, len(kinds) * MOST_OBJECTS), -1, np.int16)
    objects[:, slot] = told.T
    names = ("kind", "colour", "state", "x", "y")
    return {f"object_{name}": objects[at].reshape(-1, MOST_OBJECTS) for at, name in enumerate(names)}


def _grid_fields(shape: tuple[int, ...]) -> tuple[StateField, ...]:
    one = [
        ("agent_x", "column of the agent, 0 at the left"),
        ("agent_y", "row of the agent, 0 at the top"),
        ("agent_direction", "0 east, 1 south, 2 west, 3 north"),
        ("front_kind", "what is in the cell that the agent faces"),
        ("front_colour", "its colour"),
        ("front_state", "its state: of a door 0 open, 1 closed, 2 locked"),
        ("carrying_kind", "what the agent carries, 0 for nothing"),
        ("carrying_colour", "its colour"),
    ]
    many = [
        ("object_kind", "doors, keys, balls, boxes and goals in reading order, without the agent's own cell; -1 fills"),
        ("object_colour", "their colours"),
        ("object_state", "their states, as front_state"),
        ("object_x", "their columns"),
        ("object_y", "their rows"),
    ]
    fields = [StateField(name, "int16", (), text) for name, text in one]
    fields += [StateField(name, "int16", (MOST_OBJECTS,), text) for name, text in many]
    whole = "kind, colour and state of each cell [x, y]; the agent's own shows it and its direction"
    return (*fields, StateField("grid", "uint8", shape, whole))


def _grid_constants(shape: tuple[int, ...], max_steps: int | None) -> dict[str, int]:
    named = {name.upper(): number for number, name in enumerate(KINDS)}
    named |= {name.upper(): number for number, name in enumerate(COLOURS)}
    named |= {f"ACTION_{name.upper()}": number for number, name in enumerate(ACTIONS)}
    limit = {} if max_steps is None else {"MAX_STEPS": max_steps}
    return {"WIDTH": shape[0], "HEIGHT": shape[1], **limit, **named}


def _shape(shape: tuple[int, ...]) -> str:
    return "[B" + "".join(f", {size}" for size in shape) + "]"
