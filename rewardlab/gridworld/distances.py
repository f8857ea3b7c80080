"""Steps to success from the current states of many environments, exact, and fast enough for every step of training.

Each state that was not met before takes a search (A*), which stops as soon as it comes to a state whose distance is
known, and is led by what earlier searches of the level found out: C being the length of the shortest way and g(s) the
steps at which a search came to s, no way from s is shorter than C - g(s) (Koenig and Likhachev 2006, Real-time
adaptive A*). States on the way found are known exactly. Along an episode a search looks at a few states.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rewardlab.errors import UserError
from rewardlab.gridworld.batch import World, family_of, make_world
from rewardlab.gridworld.catalogue import Task
from rewardlab.gridworld.constants import (
    CARRIED,
    DIRECTION,
    EMPTY_CELL,
    MISSION,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.search import FOUND, OVER_BUDGET, run_search
from rewardlab.gridworld.search_nodes import (
    Nodes,
    changes,
    changing_registers,
    find_slot,
    first_node,
    make_memo,
    nonzero,
    recall,
    scramble,
)
from rewardlab.gridworld.solver import limits, take_up, wall_distances
from rewardlab.kernel_cache import compile_for, specialise

_U = np.uint64
_BUDGETS = (1 << 12, 1 << 16, 1 << 20)  # nodes of a search, one after the other until it ends
_MEMO = 1 << 20
_NEVER = 1 << 24


class Distances:
    """Of one task. What it remembers is of all levels so far; it forgets all when it is full.

    Attributes:
        patience: states that searches may still look at, all together.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.patience = math.inf
        self._memo = make_memo(_MEMO)
        self._used = 0
        self._room: Nodes | None = None  # of searches with the least budget
        self._one = make_world(task, 1, np.zeros(0, dtype=np.int64))
        self._near_things = np.zeros(task.width * task.height, dtype=np.uint8)
        self._wall_distances: dict[int, np.ndarray] = {}

    def measure(self, world: World) -> np.ndarray:
        """Fewest steps to success, int64 [N]; the episode's limit where there is no way, or none so short.

        Raises:
            UserError: a search did not end within a million states, or within what is left of `patience`.
        """
        count = len(world.cells)
        keys, salts = np.empty(count, dtype=np.uint64), np.empty(count, dtype=np.uint64)
        steps = np.empty(count, dtype=np.int64)
        first = changing_registers(self._task, world)[0]
        _run("keys", world.cells, world.facts, world.params, first, keys, salts)
        _run("look_up", keys, salts, *self._memo, steps)
        left = np.flatnonzero(steps < 0)
        while len(left):
            steps[left[0]] = self._search(world, left[0], salts[left[0]])
            left = left[1:]
            if len(left):  # what the search found out on its way
                found = np.empty(len(left), dtype=np.int64)
                _run("look_up", keys[left], salts[left], *self._memo, found)
                steps[left], left = found, left[found < 0]
        return np.minimum(steps, limits(self._task, world.facts))

    def _search(self, world: World, i: Any, salt: np.uint64) -> int:
        for budget in (each for each in _BUDGETS if each <= self.patience):
            self._one.cells[0], self._one.facts[0] = world.cells[i], world.facts[i]
            take_up(self._task, self._one)
            distances = self._to_target(int(salt))
            nodes = first_node(self._task, self._one, budget, self._room if budget == _BUDGETS[0] else None)
            if budget == _BUDGETS[0]:
                self._room = nodes
            outcome, last, count = run_search(
                self._task, self._one, distances, self._near_things, True, nodes, salt, self._memo
            )
            self.patience -= count
            if outcome != OVER_BUDGET:
                break
        else:
            most = int(min(self.patience, _BUDGETS[-1]))
            raise UserError(f"{self._task.env_id}: the solver finds no way among {most} states of a level")
        if self._used + count > _MEMO // 2:
            for array in self._memo:
                array[:] = 0
            self._used = 0
        found = np.zeros(2, dtype=np.int64)
        _run("remember", outcome == FOUND, last, min(count, _MEMO // 4), nodes.poses, nodes.hands, nodes.sums,
             nodes.depths, nodes.parents, nodes.table, nodes.owners, len(self._near_things), salt, *self._memo,
             found)  # fmt: skip
        self._used += int(found[1])
        return int(found[0])

    def _to_target(self, salt: int) -> np.ndarray:
        """As `wall_distances`, kept for the level where the target can't come to lie elsewhere."""
        if self._task.family in _MOVING or hasattr(family_of(self._task), "CHANGING"):
            return wall_distances(self._task, self._one)
        if salt not in self._wall_distances:
            if len(self._wall_distances) >= 4096:
                self._wall_distances.clear()
            self._wall_distances[salt] = wall_distances(self._task, self._one)
        return self._wall_distances[salt]


_MOVING = ("keycorridor", "obstructedmaze", "unlockpickup", "fetch", "putnear")


def _state_keys(cells, facts, params, first, keys, salts):
    """Fills keys and salts, uint64 [N]: of what changes, as searches hash it, and of the level.

    Args:
        first: the first column of facts that changes.
    """
    area = cells.shape[1]
    for i in range(cells.shape[0]):
        moving, fixed = _U(0), _U(0)
        for at in range(area):
            cell = int(cells[i, at])
            if changes(cell):
                moving += scramble(at, cell)
            elif cell != EMPTY_CELL:
                fixed += scramble(at + 8 * area, cell)
        for k in range(MISSION, first):
            fixed += scramble(k + 16 * area, facts[i, k])
        for k in range(first, facts.shape[1]):
            moving += recall(k + 16 * area, facts[i, k])
        pose = (facts[i, Y] * params[WIDTH] + facts[i, X]) * 4 + facts[i, DIRECTION]
        keys[i] = nonzero(moving + scramble(area + pose, facts[i, CARRIED]))
        salts[i] = fixed


def _look_up(keys, salts, memo, memo_steps, memo_exact, steps):
    """Fills steps, int64 [N]: what is known exactly, else -1."""
    for i in range(keys.shape[0]):
        key = nonzero(keys[i] + salts[i])
        place = find_slot(memo, key)
        known = memo[place] == key and memo_exact[place]
        steps[i] = memo_steps[place] if known else -1


def _remember(
    found,
    last,
    count,
    poses,
    hands,
    sums,
    depths,
    parents,
    table,
    owners,
    area,
    salt,
    memo,
    memo_steps,
    memo_exact,
    result,
):
    """Writes what a search found out into the memo; fills result: steps from its start, and new entries."""
    total, over = _NEVER, last
    if found:
        key = nonzero(sums[last] + scramble(area + poses[last], hands[last]))
        slot = find_slot(table, key)
        total = depths[last]
        if table[slot] == key and owners[slot] == last:  # only states that one goes on from stand in the table
            total += memo_steps[find_slot(memo, nonzero(key + salt))]
            over = -1
    used = 0
    for node in range(count):
        if found and node == over:
            continue  # success: no state to go on from
        place_key = nonzero(nonzero(sums[node] + scramble(area + poses[node], hands[node])) + salt)
        place = find_slot(memo, place_key)
        if memo[place] == _U(0):
            memo[place], memo_steps[place], memo_exact[place] = place_key, 1, False
            used += 1
        if not memo_exact[place]:
            memo_steps[place] = _NEVER if not found else max(memo_steps[place], total - depths[node])
            memo_exact[place] = not found
    node = last
    while found:
        if node != over:
            place_key = nonzero(nonzero(sums[node] + scramble(area + poses[node], hands[node])) + salt)
            place = find_slot(memo, place_key)
            if memo[place] == _U(0):
                used += 1
            memo[place], memo_steps[place], memo_exact[place] = place_key, total - depths[node], True
        if node == 0:
            break
        node = parents[node]
    result[0], result[1] = total, used


_TEMPLATES: dict[str, Any] = {"keys": _state_keys, "look_up": _look_up, "remember": _remember}
_kernels: dict[str, Any] = {}


def _run(name: str, *arguments: Any) -> None:
    if name not in _kernels:
        kernel = specialise(_TEMPLATES[name], f"distances_{name}", cached=True)
        compile_for(kernel, arguments, "the kernels of distances")
        _kernels[name] = kernel
    _kernels[name](*arguments)
