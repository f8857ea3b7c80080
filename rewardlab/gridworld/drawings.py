"""Levels as text: two characters per cell, one line per row.

| cell | characters |
|---|---|
| empty, wall | two spaces or `..`; `##` |
| the agent, by direction | `>>` `vv` `<<` `^^` |
| door: shut, locked, open | `D` `L` `O`, then a colour |
| key, ball, box | `K` `A` `B`, then a colour |
| goal, lava, floor | `GG`; `~~`; `F`, then a colour |

Colours are `r g b p y e`: red, green, blue, purple, yellow, grey. What a box hides is given beside the drawing.

    ##########
    ##>>  LyGG
    ##Ky..####      (and so on: walls all around)
"""

from collections.abc import Mapping

import numpy as np

from rewardlab.errors import UserError
from rewardlab.gridworld.batch import family_of
from rewardlab.gridworld.catalogue import Task
from rewardlab.gridworld.constants import (
    BALL,
    BLUE,
    BOX,
    CLOSED,
    COLOUR_NAMES,
    DOOR,
    EMPTY_CELL,
    FLOOR,
    GOAL,
    GOAL_CELL,
    KEY,
    LAVA_CELL,
    LOCKED,
    NUM_MISSION,
    NUM_REGISTERS,
    OBJECT_NAMES,
    OPEN,
    RED,
    WALL,
    WALL_CELL,
    code,
)
from rewardlab.gridworld.state import State

_COLOURS = "rgbpye"
_AGENTS = (">>", "vv", "<<", "^^")
_PLAIN = {"  ": EMPTY_CELL, "..": EMPTY_CELL, "##": WALL_CELL, "GG": GOAL_CELL, "~~": LAVA_CELL}
_COLOURED = {
    "D": (DOOR, CLOSED),
    "L": (DOOR, LOCKED),
    "O": (DOOR, OPEN),
    "K": (KEY, 0),
    "A": (BALL, 0),
    "B": (BOX, 0),
    "F": (FLOOR, 0),
}
_SYMBOLS = "  .. ## >> vv << ^^ GG ~~ and one of D L O K A B F with a colour of r g b p y e"


def _cell(symbol: str, where: str) -> int:
    if symbol in _PLAIN:
        return _PLAIN[symbol]
    if len(symbol) == 2 and symbol[0] in _COLOURED and symbol[1] in _COLOURS:
        kind, state = _COLOURED[symbol[0]]
        return code(kind, _COLOURS.index(symbol[1]), state)
    raise UserError(f"drawing: unknown symbol {symbol!r} at {where} (allowed: {_SYMBOLS})")


def read_drawing(task: Task, drawing: str, contents: Mapping[tuple[int, int], str] | None = None) -> State:
    """The state, n = 1, of a drawn level at its first step, without random streams.

    Args:
        task: whose rules it is to be played by; the drawing has the size of its grid.
        drawing: see above; blank lines before and after are ignored, so is common indentation of two or more lines.
        contents: what boxes hide, by (x, y), such as ``{(3, 1): "Kr"}``.
    """
    lines = [line.rstrip("\n") for line in drawing.strip("\n").split("\n")]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    lines = [line[margin:] for line in lines if line.strip()]
    if len(lines) != task.height or any(len(line.rstrip()) > 2 * task.width for line in lines):
        widest = max((len(line.rstrip()) + 1) // 2 for line in lines) if lines else 0
        raise UserError(
            f"drawing: {widest} x {len(lines)} cells, but {task.env_id} has {task.width} x {task.height} "
            "(two characters per cell)"
        )
    cells = np.zeros((task.height, task.width), dtype=np.uint32)
    agents = []
    for y, line in enumerate(lines):
        for x in range(task.width):
            symbol = line.ljust(2 * task.width)[2 * x : 2 * x + 2]
            if symbol in _AGENTS:
                agents.append((x, y, _AGENTS.index(symbol)))
                cells[y, x] = EMPTY_CELL
            else:
                cells[y, x] = _cell(symbol, f"x={x} y={y}")
    if len(agents) != 1:
        raise UserError(f"drawing: {len(agents)} agents; exactly one of {' '.join(_AGENTS)} is needed")
    for (x, y), symbol in (contents or {}).items():
        _hide(cells, x, y, symbol)
    _check_border(cells)
    registers, mission = _memory(task, cells)
    return {
        "cells": cells.view(np.uint8).reshape(1, task.height, task.width, 4),
        "agent": np.array(agents, dtype=np.int32),
        "carried": np.zeros((1, 4), dtype=np.uint8),
        "steps": np.zeros(1, dtype=np.int32),
        "mission": mission,
        "registers": registers,
        "visited": _visited(task, agents[0]),
    }


def _hide(cells: np.ndarray, x: int, y: int, symbol: str) -> None:
    inside = 0 <= y < cells.shape[0] and 0 <= x < cells.shape[1]
    if not inside or cells[y, x] & 0xFF != BOX:
        raise UserError(f"drawing contents: there is no box at x={x} y={y}")
    hidden = _cell(symbol, "contents")
    if hidden & 0xFF not in (KEY, BALL, BOX):
        raise UserError(f"drawing contents: a box holds a key, ball or box, not {symbol!r}")
    cells[y, x] |= np.uint32((hidden & 0xFF | (hidden >> 8 & 0xFF) << 4) << 24)


def _check_border(cells: np.ndarray) -> None:
    kinds = cells & 0xFF
    for name, edge in (("top", kinds[0]), ("bottom", kinds[-1]), ("left", kinds[:, 0]), ("right", kinds[:, -1])):
        if (edge != WALL).any():
            raise UserError(f"drawing: the {name} border must be walls, ## all along")


def _visited(task: Task, agent: tuple[int, int, int]) -> np.ndarray:
    visited = np.zeros((1, task.height, task.width), dtype=np.uint8)
    visited[0, agent[1], agent[0]] = 1
    return visited


def _memory(task: Task, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Registers and mission numbers of a drawn level: found from what the task's mission is about."""
    registers = np.zeros((1, NUM_REGISTERS), dtype=np.int32)
    mission = np.zeros((1, NUM_MISSION), dtype=np.int32)
    flat = cells.ravel()
    family = task.family
    if getattr(family_of(task), "SUCCESS", None) == "the goal is reached":
        _the_one(flat & 0xFF == GOAL, "goal", task)
    if family == "keycorridor":
        target = flat[_the_one(flat & 0xFF == BALL, "ball", task)]
    elif family == "obstructedmaze":
        target = flat[_the_one(flat & 0xFFFF == code(BALL, BLUE), "blue ball", task)]
    elif family == "unlockpickup":
        target = flat[_the_one(flat & 0xFF == BOX, "box", task)]
    elif family in ("gotodoor", "gotoobject", "fetch", "putnear", "memory") or family.startswith("babyai_"):
        raise UserError(
            f"drawing: levels of {task.env_id} have a mission that a drawing cannot say; edit a state instead"
        )
    else:
        target = None
    if target is not None:
        registers[0, 0] = target & 0xFFFF
        mission[0, :2] = target & 0xFF, target >> 8 & 0xFF
    if family == "crossing":
        mission[0, 0] = task.options[1]
    if family == "unlock":
        registers[0, 0] = _locked_door(flat, task)
    if family == "redbluedoors":
        registers[0, 0] = _the_one(flat & 0xFFFF == code(DOOR, RED), "red door", task)
        registers[0, 1] = _the_one(flat & 0xFFFF == code(DOOR, BLUE), "blue door", task)
    if family == "dynamicobstacles":
        _place_obstacles(flat, task, registers)
    if family == "lockedroom":
        door = flat[_locked_door(flat, task)]
        mission[0, :2] = door >> 8 & 0xFF
    return registers, mission


def _the_one(matches: np.ndarray, what: str, task: Task) -> int:
    places = np.flatnonzero(matches)
    if len(places) != 1:
        raise UserError(f"drawing: {len(places)} cells with a {what}; {task.env_id} needs exactly one")
    return int(places[0])


def _locked_door(flat: np.ndarray, task: Task) -> int:
    return _the_one((flat & 0xFF == DOOR) & (flat >> 16 & 0xFF == LOCKED), "locked door", task)


def _place_obstacles(flat: np.ndarray, task: Task, registers: np.ndarray) -> None:
    count = task.options[1]
    places = np.flatnonzero(flat == code(BALL, BLUE))
    if len(places) != count:
        raise UserError(f"drawing: {len(places)} blue balls; {task.env_id} has {count} obstacles")
    registers[0, :count] = places


def write_drawing(state: State, i: int = 0) -> str:
    """The drawing of environment i of a state (what boxes hide and the agent carries is not in it)."""
    cells, agent = state["cells"][i], state["agent"][i]
    plain = {number: symbol for symbol, number in _PLAIN.items() if symbol != "  "}
    coloured = {pair: letter for letter, pair in _COLOURED.items()}
    rows = []
    for y in range(cells.shape[0]):
        row = ""
        for x in range(cells.shape[1]):
            kind, colour, status, _ = (int(number) for number in cells[y, x])
            if (x, y) == (agent[0], agent[1]):
                row += _AGENTS[agent[2]]
            elif (kind, status) in coloured:
                row += coloured[kind, status] + _COLOURS[colour]
            elif code(kind, colour, status) in plain:
                row += plain[code(kind, colour, status)]
            else:
                raise UserError(f"drawing: no symbol for a {COLOUR_NAMES[colour]} {OBJECT_NAMES[kind]} at x={x} y={y}")
        rows.append(row)
    return "\n".join(rows)
