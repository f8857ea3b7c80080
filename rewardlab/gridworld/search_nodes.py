"""What a search knows of states: their hashes, its nodes, and what earlier searches found out."""

from typing import NamedTuple

import numpy as np

from rewardlab.gridworld.batch import World, family_of
from rewardlab.gridworld.catalogue import Task
from rewardlab.gridworld.constants import (
    BALL,
    BOX,
    CARRIED,
    DIRECTION,
    DOOR,
    EMPTY_CELL,
    KEY,
    NO_OBJECT,
    X,
    Y,
)
from rewardlab.kernel_cache import inner, kept

_U = np.uint64
_32, _29, _MIX_A, _MIX_B = _U(32), _U(29), _U(0x9E3779B97F4A7C15), _U(0xBF58476D1CE4E5B9)
_PRIORITIES = 1 << 14


@inner
def changes(cell):
    """Whether a cell holds what can change: a door, or what can be carried."""
    kind = cell & 0xFF
    return kind == DOOR or kind == KEY or kind == BALL or kind == BOX


@inner
def scramble(place, number):
    """A pseudo-random uint64 for one changing cell (or for pose and hands)."""
    word = (_U(place) << _32 | _U(number)) * _MIX_A
    word = (word ^ (word >> _32)) * _MIX_B
    return word ^ (word >> _29)


@inner
def recall(place, number):
    """A pseudo-random uint64 for a changing register; 0 for one that is 0, so that unused ones don't count."""
    return _U(0) if number == 0 else scramble(place, number)


@inner
def nonzero(number):
    """A hash that is not 0: 0 marks an empty slot."""
    return _U(1) if number == _U(0) else number


@inner
def find_slot(table, key):
    """Where a hash is in the table, or would be."""
    mask = _U(table.shape[0] - 1)
    slot = key & mask
    while table[slot] != _U(0) and table[slot] != key:
        slot = (slot + _U(1)) & mask
    return slot


class Nodes(NamedTuple):
    """The arrays that a search keeps its states in; see `search._search`."""

    poses: np.ndarray
    hands: np.ndarray
    places: np.ndarray
    codes: np.ndarray
    memories: np.ndarray
    sums: np.ndarray
    depths: np.ndarray
    parents: np.ndarray
    moves: np.ndarray
    nexts: np.ndarray
    table: np.ndarray
    owners: np.ndarray
    heads: np.ndarray


class Memo(NamedTuple):
    """What earlier searches found out; see `search._search`."""

    keys: np.ndarray
    steps: np.ndarray
    exact: np.ndarray


def make_memo(size: int) -> Memo:
    """An empty one with room for `size` keys, a power of two."""
    return Memo(np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.bool_))


NO_MEMO = make_memo(1)


def make_nodes(budget: int, things: int, registers: int) -> Nodes:
    """Room for `budget` nodes of states with at most so many things that can change, and so many registers."""
    # Rows are written before they are read; untouched memory costs nothing.
    places, codes = np.empty((budget, things), dtype=np.int16), np.empty((budget, things), dtype=np.uint32)
    memories = np.empty((budget, registers), dtype=np.int32)
    sums, hands = np.zeros(budget, dtype=np.uint64), np.zeros(budget, dtype=np.int64)
    poses, depths, parents, nexts = (np.zeros(budget, dtype=np.int32) for _ in range(4))
    moves = np.zeros(budget, dtype=np.int8)
    table = np.zeros(1 << int(np.ceil(np.log2(2 * budget))), dtype=np.uint64)
    owners = np.zeros(len(table), dtype=np.int32)
    heads = np.full(_PRIORITIES, -1, dtype=np.int32)
    return Nodes(poses, hands, places, codes, memories, sums, depths, parents, moves, nexts, table, owners, heads)


def first_node(task: Task, world: World, budget: int, room: Nodes | None = None) -> Nodes:
    """Nodes whose first is the state of environment 0; its changing things leave the grid.

    Args:
        room: that of an earlier search, for as many nodes, which is used again where there is enough.
    """
    things = max(1, _things(world.cells, world.facts))
    first, registers = changing_registers(task, world)
    if room is None or room.places.shape[1] < things or room.memories.shape[1] != registers:
        room = make_nodes(budget, things, registers)
    else:
        room.table.fill(0)
        room.owners.fill(0)
        room.heads.fill(-1)
    _enter(world.cells, world.facts, task.width, first, room.poses, room.hands, room.places, room.codes, room.memories,
           room.sums)  # fmt: skip
    return room


def changing_registers(task: Task, world: World) -> tuple[int, int]:
    """The first column of facts that changes within an episode, and how many do in environment 0's."""
    family = family_of(task)
    if not hasattr(family, "CHANGING"):
        return world.facts.shape[1], 0
    return family.CHANGING, family.changing(world.facts[0])


@kept
def _things(cells, facts):
    """How many things of environment 0 can change, what is carried too."""
    count = 0 if facts[0, CARRIED] == NO_OBJECT else 1
    for at in range(cells.shape[1]):
        if changes(cells[0, at]):
            count += 1
    return count


@kept
def _enter(cells, facts, width, first, poses, hands, places, codes, memories, sums):
    """Makes the state of environment 0 node 0, whose depth and parent are 0 in new room and stay so."""
    count, total = 0, _U(0)
    for at in range(cells.shape[1]):
        cell = int(cells[0, at])
        if changes(cell):
            places[0, count], codes[0, count] = at, cell
            total += scramble(at, cell)
            cells[0, at] = EMPTY_CELL
            count += 1
    places[0, count:], codes[0, count:] = -1, 0
    for k in range(memories.shape[1]):
        memories[0, k] = facts[0, first + k]
        total += recall(first + k + 16 * cells.shape[1], facts[0, first + k])
    sums[0] = total
    poses[0] = (facts[0, Y] * width + facts[0, X]) * 4 + facts[0, DIRECTION]
    hands[0] = facts[0, CARRIED]
