"""Best-first search over full states: A* on the task's own kernels.

A node keeps what can change: the agent's pose, what it carries, the cells with doors and portable things, and those
registers that change within an episode, which few families have. It is
expanded by putting these into a grid and taking each action there, so a search knows every rule that the task has.
Two nodes with the same 64-bit hash are taken for one state (with a million nodes, a false match has a chance of 3e-8).
"""

from typing import Any

import numpy as np

from rewardlab.gridworld.batch import World, family_of
from rewardlab.gridworld.catalogue import Task
from rewardlab.gridworld.constants import (
    BALL,
    BOX,
    CARRIED,
    DIRECTION,
    DONE,
    DOOR,
    DROP,
    EMPTY_CELL,
    KEY,
    LOCKED,
    MISSION,
    NUM_ACTIONS,
    NUM_MISSION,
    OPEN,
    PICKUP,
    STEPS,
    TOGGLE,
    WIDTH,
    X,
    Y,
)
from rewardlab.gridworld.moves import act, cell_at, front_x, front_y
from rewardlab.gridworld.search_nodes import (
    NO_MEMO,
    Memo,
    Nodes,
    changing_registers,
    find_slot,
    first_node,
    nonzero,
    recall,
    scramble,
)
from rewardlab.kernel_cache import call, inner, specialise

FOUND, NONE, OVER_BUDGET = range(3)

_WEIGHT = 3  # of the distance to the target, in a search that is not to be exact

begin: Any = None  # filled in by `specialise`
end: Any = None


@inner
def _door_left(codes, node, key):
    """Whether a locked door of a key's colour is left."""
    for k in range(codes.shape[1]):
        cell = int(codes[node, k])
        if cell & 0xFF == DOOR and (cell >> 16) & 0xFF == LOCKED and (cell >> 8) & 0xFF == (key >> 8) & 0xFF:
            return True
    return False


@inner
def _useful(action, cell, hands, at, codes, node, near_things):
    """Whether an action is worth trying in a search that is not to be exact: no carrying about of needless things."""
    kind = cell & 0xFF
    if action == PICKUP:
        return kind == BALL or kind == BOX or _door_left(codes, node, cell)
    if action == DROP:
        needed = hands & 0xFF == KEY and _door_left(codes, node, hands)
        return not needed and near_things[at] != 0
    return True


def _search(
    cells,
    facts,
    streams,
    params,
    distances,
    near_things,
    exact,
    with_done,
    shuts,
    first,
    poses,
    hands,
    places,
    codes,
    memories,
    sums,
    depths,
    parents,
    moves,
    nexts,
    table,
    owners,
    heads,
    salt,
    met,
    met_steps,
    met_exact,
):
    """Searches from the state in row 0 of `cells` and `facts`, whose changing things are node 0.

    Args:
        distances: int32 [area * 4], steps to success from each pose if only walls stood in the way: never too many,
            never below 1.
        near_things: uint8 [area], where things may be dropped in a search that is not exact.
        exact: look for the shortest way (A*); otherwise for any way, leaving out what seldom helps.
        with_done: whether the action `done` can matter.
        shuts: whether shutting a door can help.
        first: the first column of `facts` that changes within an episode.
        poses: int32 [B], position * 4 + direction; likewise the other arrays of nodes.
        hands: int64 [B], the carried cell.
        places: int16 [B, M], positions of the changing cells, -1 for none.
        codes: uint32 [B, M], the changing cells.
        memories: int32 [B, R], the changing registers.
        sums: uint64 [B], sum of their hashes.
        depths: int32 [B], steps from the start.
        parents: int32 [B].
        moves: int8 [B], the action that led here.
        nexts: int32 [B], the next node of the same priority.
        table: uint64 [T], hashes of known states; T is a power of two.
        owners: int32 [T], the node with the shortest way to each.
        heads: int32 [F], first node of each priority, -1 for none.
        salt: uint64, of what does not change on the level; added to the hashes of states it gives their key in `met`.
        met: uint64 [K], keys of states that earlier searches met; K is a power of two.
        met_steps: int32 [K], steps from there to success: the number, or a bound that is never too large.
        met_exact: bool [K], which of the two.

    Returns:
        FOUND, NONE or OVER_BUDGET; the last node; the number of nodes. The last node of a way may be one from which
        the rest is known.
    """
    budget, size, memory = poses.shape[0], places.shape[1], memories.shape[1]
    width, count = params[WIDTH], 1
    area = cells.shape[1]
    weight = 1 if exact else _WEIGHT
    priority = min(weight * distances[poses[0]], heads.shape[0] - 1)
    heads[priority] = 0
    nexts[0] = -1
    key = nonzero(sums[0] + scramble(area + poses[0], hands[0]))
    table[find_slot(table, key)] = key  # its owner is node 0
    while priority < heads.shape[0]:
        node = heads[priority]
        if node < 0:
            priority += 1
            continue
        heads[priority] = nexts[node]
        # A shorter way to this state may have been found since it was noted.
        key = nonzero(sums[node] + scramble(area + poses[node], hands[node]))
        slot = find_slot(table, key)
        if owners[slot] != node:
            continue
        place = find_slot(met, nonzero(key + salt))
        if exact and met[place] != np.uint64(0) and met_exact[place]:
            return FOUND, node, count  # it came first with the true length of its way
        for k in range(size):
            if places[node, k] >= 0:
                cells[0, places[node, k]] = codes[node, k]
        pose = poses[node]
        best = priority
        for choice in range(NUM_ACTIONS if with_done else DONE):
            facts[0, X], facts[0, Y] = (pose >> 2) % width, (pose >> 2) // width
            facts[0, DIRECTION], facts[0, CARRIED], facts[0, STEPS] = pose & 3, hands[node], 0
            for k in range(memory):
                facts[0, first + k] = memories[node, k]
            front = cell_at(cells, params, 0, front_x(facts, 0), front_y(facts, 0))
            at = front_y(facts, 0) * width + front_x(facts, 0)
            inside = 0 <= front_x(facts, 0) < width and 0 <= at < area
            # Nothing lies beyond the border. An open door is never in the way: shutting it helps only to open it again.
            if not inside and PICKUP <= choice < DONE:
                continue
            if not shuts and choice == TOGGLE and front & 0xFF == DOOR and (front >> 16) & 0xFF == OPEN:
                continue
            if not exact and not _useful(choice, front, hands[node], at, codes, node, near_things):
                continue
            action, memo = begin(cells, facts, streams, params, 0, choice)
            reward, over = act(cells, facts, params, 0, action)
            reward, over = end(cells, facts, params, 0, action, memo, reward, over)
            after = int(cells[0, at]) if inside else front
            if inside and after != front:
                cells[0, at] = front
            if over and reward <= 0:
                continue
            new_pose = (facts[0, Y] * width + facts[0, X]) * 4 + facts[0, DIRECTION]
            new_hands = facts[0, CARRIED]
            total, recalled = sums[node], False
            for k in range(memory):
                if facts[0, first + k] != memories[node, k]:
                    place = first + k + 16 * area
                    total += recall(place, facts[0, first + k]) - recall(place, memories[node, k])
                    recalled = True
            if after != front:
                if front != EMPTY_CELL:
                    total -= scramble(at, front)
                if after != EMPTY_CELL:
                    total += scramble(at, after)
            elif new_pose == pose and not over and not recalled:
                continue
            key = nonzero(total + scramble(area + new_pose, new_hands))
            slot = find_slot(table, key)
            if not over and table[slot] == key and depths[owners[slot]] <= depths[node] + 1:
                continue
            if count >= budget:
                return OVER_BUDGET, node, count
            new = count
            if not over:
                table[slot], owners[slot] = key, new
            count += 1
            poses[new], hands[new], sums[new] = new_pose, new_hands, total
            depths[new], parents[new], moves[new] = depths[node] + 1, node, choice
            for k in range(memory):
                memories[new, k] = facts[0, first + k]
            changed = after == front
            for k in range(size):
                places[new, k], codes[new, k] = places[node, k], codes[node, k]
                if not changed and (places[node, k] == at or (front == EMPTY_CELL and places[node, k] < 0)):
                    places[new, k] = at if after != EMPTY_CELL else -1
                    codes[new, k] = after if after != EMPTY_CELL else 0
                    changed = True
            if over:
                # This node came first because nothing can be shorter than its depth and distance, which is 1 here.
                return FOUND, new, count
            left = distances[new_pose]
            if exact:
                known = find_slot(met, nonzero(key + salt))
                if met[known] != np.uint64(0):
                    left = max(left, met_steps[known])
            rank = min(max(depths[new] + weight * left, best), heads.shape[0] - 1)
            nexts[new] = heads[rank]
            heads[rank] = new
        for k in range(size):
            if places[node, k] >= 0:
                cells[0, places[node, k]] = EMPTY_CELL
    return NONE, 0, count


def _kernel(task: Task) -> Any:
    if task.family not in _kernels:
        family = family_of(task)
        _kernels[task.family] = specialise(
            _search, f"search_{task.family}", cached=True, begin=family.begin, end=family.end
        )
    return _kernels[task.family]


_kernels: dict[str, Any] = {}


def search(
    task: Task, world: World, distances: np.ndarray, near_things: np.ndarray, exact: bool, budget: int
) -> tuple[int, list[int], int]:
    """Searches from the state of environment 0 of a world (which is used up).

    Args:
        task: whose rules count.
        world: of one environment.
        distances: int32 [area * 4], see `_search`.
        near_things: uint8 [area], see `_search`.
        exact: shortest way, or any way.
        budget: nodes at most.

    Returns:
        FOUND, NONE or OVER_BUDGET; the actions of the way; the number of nodes.
    """
    nodes = first_node(task, world, budget)
    outcome, last, count = run_search(task, world, distances, near_things, exact, nodes, np.uint64(0), NO_MEMO)
    way: list[int] = []
    while outcome == FOUND and last != 0:
        way.append(int(nodes.moves[last]))
        last = int(nodes.parents[last])
    return outcome, way[::-1], count


def run_search(
    task: Task,
    world: World,
    distances: np.ndarray,
    near_things: np.ndarray,
    exact: bool,
    nodes: Nodes,
    salt: np.uint64,
    memo: Memo,
) -> tuple[int, int, int]:
    """The kernel on what `first_node` made: FOUND, NONE or OVER_BUDGET; the last node; the number of nodes."""
    with_done = task.family in ("gotodoor", "gotoobject")
    shuts = (
        hasattr(family_of(task), "CHANGING") and np.count_nonzero(world.facts[0, MISSION : MISSION + NUM_MISSION]) > 1
    )
    arguments = (
        world.cells, world.facts, world.streams, world.params, distances, near_things, exact, with_done,
        shuts, changing_registers(task, world)[0], *nodes, salt, *memo,
    )  # fmt: skip
    outcome, last, count = call(_kernel(task), arguments, f"the solver of {task.family}")
    return int(outcome), int(last), int(count)
