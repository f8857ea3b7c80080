"""Facts that the agent does not see, computed for all environments at once.

| field | dtype, shape | content |
|---|---|---|
| agent | int32 [N, 3] | x, y, direction |
| carried | uint8 [N, 4] | object, colour, state, contents; zeros for none |
| grid | uint8 [N, W, H, 3] | object, colour, state of every cell, the agent and its direction in it |
| state_hash | int64 [N] | hash of grid with box contents, agent and carried object |
| situation | int64 [N] | hash of where the agent is and what it has got, coarser than the state |
| objects | int16 [N, M, 5] | object, colour, state, x, y of all doors, keys, balls, boxes, goals |
| cells_visited | float64 [N] | share of the reachable cells that the agent has been to in the episode |
| rooms_visited | float64 [N] | share of the rooms that it has been to |

A situation is the agent's cell (not its direction), what it carries, for each door whether it is locked and whether a
key, ball or box lies beside it, and which keys and boxes lie about, wherever. The hash of states leaves out mission,
step count, random streams and observation noise; it is the same in every process and on the reference backend
(`rewardlab/envs/grids/facts.py`). Objects stand in reading order; rows of -1 fill up to the largest count in the batch.
Reachable is every cell that is neither wall nor lava and that a way without walls and lava leads to (doors can be
opened, things carried away). Rooms are what is left when the reachable cells are cut at doors, and at gaps one cell
wide between two walls.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rewardlab.errors import unknown
from rewardlab.gridworld.batch import World
from rewardlab.gridworld.constants import (
    AGENT,
    BALL,
    BOX,
    CARRIED,
    DIRECTION,
    DOOR,
    GOAL,
    HEIGHT,
    KEY,
    LAVA,
    LOCKED,
    NOTHING,
    RED,
    WALL,
    WIDTH,
    X,
    Y,
)
from rewardlab.kernel_cache import call, inner, specialise

FIELDS = ("agent", "carried", "grid", "state_hash", "situation", "objects", "cells_visited", "rooms_visited")

_U = np.uint64
_GOLDEN, _MIX_A, _MIX_B = _U(0x9E3779B97F4A7C15), _U(0xBF58476D1CE4E5B9), _U(0x94D049BB133111EB)
_27, _30, _31 = _U(27), _U(30), _U(31)


@inner
def _scrambled(word, place):
    """SplitMix64's finaliser of a word and its place (Steele et al. 2014)."""
    word += (place + _U(1)) * _GOLDEN
    word = (word ^ (word >> _30)) * _MIX_A
    word = (word ^ (word >> _27)) * _MIX_B
    return word ^ (word >> _31)


@inner
def _thing(cell):
    """Four bits each of object, colour and state, then what it contains."""
    return (cell & 0xFF) | ((cell >> 8) & 0xFF) << 4 | ((cell >> 16) & 0xFF) << 8 | (cell >> 24) << 12


def _state_hashes(cells, facts, params, hashes):
    """Fills hashes, int64 [N]: scrambled words of cells, carried object, agent and size, summed modulo 2^64."""
    area = cells.shape[1]
    for i in range(cells.shape[0]):
        total = _U(0)
        for at in range(area):
            total += _scrambled(_U(_thing(int(cells[i, at]))), _U(at))
        carried = int(facts[i, CARRIED]) & 0xFFFFFFFF
        held = _thing(carried) if carried else NOTHING
        total += _scrambled(_U(held), _U(area))
        total += _scrambled(_U(facts[i, X]), _U(area + 1))
        total += _scrambled(_U(facts[i, Y]), _U(area + 2))
        total += _scrambled(_U(facts[i, DIRECTION]), _U(area + 3))
        total += _scrambled(_U(params[WIDTH]), _U(area + 4))
        total += _scrambled(_U(params[HEIGHT]), _U(area + 5))
        hashes[i] = np.int64(_finished(total))


@inner
def _finished(total):
    total = (total ^ (total >> _30)) * _MIX_A
    total = (total ^ (total >> _27)) * _MIX_B
    return total ^ (total >> _31)


def _situations(cells, facts, params, keys):
    """Fills keys, int64 [N]: scrambled words of what a situation is made of, summed modulo 2^64."""
    area, width = cells.shape[1], params[WIDTH]
    for i in range(cells.shape[0]):
        carried = int(facts[i, CARRIED]) & 0xFFFFFFFF
        total = _scrambled(_U(_thing(carried) if carried else NOTHING), _U(area))
        total += _scrambled(_U(facts[i, X]), _U(area + 1))
        total += _scrambled(_U(facts[i, Y]), _U(area + 2))
        for at in range(area):
            cell = int(cells[i, at])
            kind = cell & 0xFF
            if kind == DOOR:
                beside = 0
                for step in (-width, width, -1, 1):
                    next_to = cells[i, at + step] & 0xFF
                    beside |= next_to == KEY or next_to == BALL or next_to == BOX
                locked = (cell >> 16) & 0xFF == LOCKED
                total += _scrambled(_U(kind | locked << 8 | beside << 9), _U(at))
            elif kind == KEY or kind == BOX:
                total += _scrambled(_U(_thing(cell)), _U(area + 3))
        keys[i] = np.int64(_finished(total))


def _list_objects(cells, params, objects, counts):
    """Counts the objects of each environment into counts, int64 [N], and fills objects, int16 [N, M, 5], up to M."""
    width = params[WIDTH]
    for i in range(cells.shape[0]):
        count = 0
        for at in range(cells.shape[1]):
            cell = int(cells[i, at])
            kind = cell & 0xFF
            if kind == DOOR or kind == KEY or kind == BALL or kind == BOX or kind == GOAL:
                if count < objects.shape[1]:
                    objects[i, count, 0] = kind
                    objects[i, count, 1] = (cell >> 8) & 0xFF
                    objects[i, count, 2] = (cell >> 16) & 0xFF
                    objects[i, count, 3] = at % width
                    objects[i, count, 4] = at // width
                count += 1
        counts[i] = count


@inner
def _solid(cells, i, at):
    kind = cells[i, at] & 0xFF
    return kind == WALL


@inner
def _narrow(cells, params, i, at, step, side):
    """Whether a cell has walls on both of its sides, and none ahead and behind."""
    width, area = params[WIDTH], cells.shape[1]
    x = at % width
    if x == 0 or x == width - 1 or at < width or at >= area - width or _solid(cells, i, at):
        return False
    walls = _solid(cells, i, at - side) and _solid(cells, i, at + side)
    return walls and not _solid(cells, i, at - step) and not _solid(cells, i, at + step)


@inner
def _gap(cells, params, i, at):
    """Whether a cell is a gap in a wall: narrow, and no part of a narrow hallway."""
    for step, side in ((1, params[WIDTH]), (params[WIDTH], 1)):
        if _narrow(cells, params, i, at, step, side):
            before, after = at - step, at + step
            return not (_narrow(cells, params, i, before, step, side) or _narrow(cells, params, i, after, step, side))
    return False


@inner
def _flood(cells, params, i, start, marks, mark, queue, cut):
    """Marks what can be reached from a cell; with `cut`, not beyond doors and gaps. Returns the number of cells."""
    width, height = params[WIDTH], params[HEIGHT]
    queue[0] = start
    marks[start] = mark
    count, done = 1, 0
    while done < count:
        at = queue[done]
        done += 1
        x, y = at % width, at // width
        for side in range(4):
            next_x, next_y = x + (side == 0) - (side == 2), y + (side == 1) - (side == 3)
            if next_x < 0 or next_y < 0 or next_x >= width or next_y >= height:
                continue
            to = next_y * width + next_x
            kind = cells[i, to] & 0xFF
            if kind == WALL or kind == LAVA or marks[to] == mark:
                continue
            if cut and (marks[to] != 1 or kind == DOOR or _gap(cells, params, i, to)):
                continue
            marks[to] = mark
            queue[count] = to
            count += 1
    return count


def _coverage(cells, facts, params, visited, shares, room_shares):
    """Fills shares and room_shares, float64 [N]: visited cells among the reachable ones, and visited rooms."""
    area = cells.shape[1]
    marks, queue = np.zeros(area, np.int32), np.zeros(area, np.int32)
    for i in range(cells.shape[0]):
        marks[:] = 0
        reachable = _flood(cells, params, i, facts[i, Y] * params[WIDTH] + facts[i, X], marks, 1, queue, False)
        seen = 0
        for at in range(area):
            seen += marks[at] == 1 and visited[i, at] != 0
        rooms, rooms_seen = 0, 0
        for at in range(area):
            if marks[at] != 1 or cells[i, at] & 0xFF == DOOR or _gap(cells, params, i, at):
                continue
            rooms += 1
            count = _flood(cells, params, i, at, marks, 1 + rooms, queue, True)
            for k in range(count):
                if visited[i, queue[k]]:
                    rooms_seen += 1
                    break
        shares[i] = seen / reachable
        room_shares[i] = rooms_seen / max(rooms, 1)


@lru_cache
def _kernel(name: str) -> Any:
    template: Any = {"hash": _state_hashes, "situation": _situations, "objects": _list_objects, "coverage": _coverage}[
        name
    ]
    return specialise(template, f"privileged_{name}", cached=True)


def _run(name: str, *arguments: np.ndarray) -> None:
    call(_kernel(name), arguments, "the kernels of privileged facts")


def state_hashes(cells: np.ndarray, facts: np.ndarray, params: np.ndarray) -> np.ndarray:
    """64-bit hashes of full states, int64 [N]."""
    hashes = np.empty(len(cells), dtype=np.int64)
    _run("hash", cells, facts, params, hashes)
    return hashes


def _objects(world: World) -> np.ndarray:
    counts = np.empty(len(world.cells), dtype=np.int64)
    objects = np.full((len(world.cells), 8, 5), -1, dtype=np.int16)
    _run("objects", world.cells, world.params, objects, counts)
    if counts.max() > objects.shape[1]:
        objects = np.full((len(world.cells), int(counts.max()), 5), -1, dtype=np.int16)
        _run("objects", world.cells, world.params, objects, counts)
    return objects[:, : int(counts.max())]


def _grids(world: World) -> np.ndarray:
    width, height = int(world.params[WIDTH]), int(world.params[HEIGHT])
    cells = world.cells.reshape(-1, height, width).swapaxes(1, 2).astype("<u4", order="C")
    place = np.arange(len(cells)), world.facts[:, X], world.facts[:, Y]
    cells[place] = AGENT | RED << 8 | world.facts[:, DIRECTION] << 16
    planes = cells.view(np.uint8).reshape(*cells.shape, 4)
    grids = np.empty((*cells.shape, 3), np.uint8)
    for at in range(3):  # a plane at once: three bytes of every four take twice as long
        grids[..., at] = planes[..., at]
    return grids


def read_facts(world: World, fields: Sequence[str] | None) -> dict[str, np.ndarray]:
    """The fields asked for (None for all); only those are computed."""
    wanted = FIELDS if fields is None else tuple(fields)
    for name in wanted:
        if name not in FIELDS:
            raise unknown("privileged field", str(name), FIELDS, "privileged field")
    facts: dict[str, np.ndarray] = {}
    if "agent" in wanted:
        facts["agent"] = world.facts[:, X : X + 3].copy()
    if "carried" in wanted:
        facts["carried"] = world.facts[:, CARRIED].astype(np.uint32).view(np.uint8).reshape(-1, 4)
    if "grid" in wanted:
        facts["grid"] = _grids(world)
    if "state_hash" in wanted:
        facts["state_hash"] = state_hashes(world.cells, world.facts, world.params)
    if "situation" in wanted:
        facts["situation"] = np.empty(len(world.cells), dtype=np.int64)
        _run("situation", world.cells, world.facts, world.params, facts["situation"])
    if "objects" in wanted:
        facts["objects"] = _objects(world)
    if "cells_visited" in wanted or "rooms_visited" in wanted:
        shares, room_shares = np.empty(len(world.cells)), np.empty(len(world.cells))
        _run("coverage", world.cells, world.facts, world.params, world.visited, shares, room_shares)
        facts |= {"cells_visited": shares, "rooms_visited": room_shares}
    return {name: facts[name] for name in wanted}
