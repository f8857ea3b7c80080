"""The engine played by a fully connected policy in one compiled pass over time: no Python for a step.

The same is said step by step by `Collector` and `Evaluator`, with `agent.act` and `env.step`: they play whatever does
not fit here, and a test holds the two against each other. Levels, random numbers and what is written are the same;
only logits differ, by rounding.

A view that was seen before in the pass has its number, and its policy is read from a table.
"""

from typing import Any, NamedTuple

import numba

from rewardlab.gridworld.constants import DIRECTION, FINE, MISSION, NUM_MISSION
from rewardlab.maths.compiled import accumulate, choose
from rewardlab.maths.distinct import differ, slot_of
from rewardlab.networks.row_policy import RowWeights, logits_of
from rewardlab.types import Array

STUCK = -1  # what the pass returns instead of a step

take: Any = None  # filled in for a family of levels and a way of looking
observe: Any = None
start_episode: Any = None


class Views(NamedTuple):
    """The distinct views of a pass, U of them at most.

    Attributes:
        rows: uint8 [U, P]. missions: int64 [U], or headings, where these are seen.
        logits, below: float32 [U, A], the policy's and its distribution function.
        slots: int32, the table in which views are looked up, -1 where nobody is; a power of 2 long.
        weights: uint32 [P], see `maths.distinct`.
        found: int64 [1], how many there are.
        layers, there: what `logits_of` overwrites.
    """

    rows: Array
    missions: Array
    logits: Array
    below: Array
    slots: Array
    weights: Array
    found: Array
    layers: Array
    there: Array


class Steps(NamedTuple):
    """What a pass writes of T steps.

    Attributes:
        images: uint8 [T + 1, N, V, V, 3]; row 0 is given. successors: uint8 [T, N, V, V, 3], the true ones.
        shown, reached: the same in rows of bytes, [T + 1, N, P] and [T, N, P].
        missions: int64 [T + 1, N], -1 where one is met for the first time; or headings, where these are seen.
        here: int64 [T + 1, N], there: int64 [T, N], numbers of the views acted on and of the true successors.
        action: int64 [T, N]. reward: float32 [T, N]. terminated, truncated, success: bool [T, N].
        cells, facts: uint32 [T, N, H * W] and int32 [T, N, F], the engine's of the true successors; of length 0 where
            nobody asks. begun_cells, begun_facts: the same of the episodes that began after a step, elsewhere what was.
    """

    images: Array
    successors: Array
    shown: Array
    reached: Array
    missions: Array
    here: Array
    there: Array
    action: Array
    reward: Array
    terminated: Array
    truncated: Array
    success: Array
    cells: Array
    facts: Array
    begun_cells: Array
    begun_facts: Array


class Episodes(NamedTuple):
    """The episodes of a pass.

    Attributes:
        returns: float64 [N], lengths: int64 [N], of the running ones; they go on with the next pass.
        left: int64 [N], how many each environment still plays; one that has none left stands still.
        ended: float64 [T * N, 4], return, length, success, distinct cells of those that ended, in order.
        finished: int64 [1], how many those are.
    """

    returns: Array
    lengths: Array
    left: Array
    ended: Array
    finished: Array


def play(
    world: tuple[Array, ...],
    policy: RowWeights,
    missions: Array,
    views: Views,
    steps: Steps,
    episodes: Episodes,
    uniform: Array,
    begin: int,
    greedy: bool,
    turns: bool,
) -> int:  # pragma: no cover
    """T steps of N environments.

    Args:
        world: the engine's arrays.
        missions: int32 [M, 4], numbers of those that were met; empty where the mission never varies.
        uniform: float32 [T, N], in [0, 1): they draw the actions.
        begin: the first step; the pass goes on where an earlier one came to a mission that it did not know.
        greedy: the likeliest action instead.
        turns: whether the heading is seen beside the view: it then stands where the mission's number would.

    Returns:
        The step before which it stopped: T, or where a mission is unknown; or STUCK: no level could be drawn.
    """
    cells, facts, streams, scratch, params, visited, lists, list_at, levels, choosers, level_of = world[:11]
    home_cells, home_facts = world[11:]
    images, successors, shown, reached, mission_of, here, there, taken, rewards, terminated, truncated, solved = steps[
        :12
    ]
    kept_cells, kept_facts, begun_cells, begun_facts = steps[12:]
    returns, lengths, left, over, finished = episodes
    rows, named, slots, weights = views.rows, views.missions, views.slots, views.weights
    logits, below = views.logits, views.below
    total, num_envs = uniform.shape
    varies, keeps = policy.missions.shape[1] > 0 and not turns, kept_cells.shape[0] > 0
    for i in range(num_envs):
        if begin == 0 or mission_of[begin, i] < 0:
            mission_of[begin, i] = _mission_of(facts, i, missions) if varies else 0
            if turns:
                mission_of[begin, i] = facts[i, DIRECTION]
            slot = _place_of(shown, begin, i, mission_of[begin, i], rows, named, slots, weights)
            if slots[slot] < 0:
                _add(shown, begin, i, mission_of[begin, i], policy, views, slot)
            here[begin, i] = slots[slot]
    for t in range(begin, total):
        unknown = False
        for i in range(num_envs):
            if left[i] == 0:
                continue
            seen, mission = here[t, i], mission_of[t, i]
            action = _likeliest(logits, seen) if greedy else choose(below, seen, uniform[t, i])
            reward, ended, cut = take(cells, facts, streams, params, visited, i, action)
            taken[t, i], rewards[t, i] = action, reward
            terminated[t, i], truncated[t, i], solved[t, i] = ended, cut, (ended or cut) and reward > 0.0
            returns[i] += rewards[t, i]
            lengths[i] += 1
            if keeps:
                _keep(cells, facts, i, kept_cells[t], kept_facts[t])
            if turns:
                mission = facts[i, DIRECTION]
            observe(cells, facts, params, i, successors[t], i)
            slot = _place_of(reached, t, i, mission, rows, named, slots, weights)
            if slots[slot] < 0:
                _add(reached, t, i, mission, policy, views, slot)
            there[t, i] = slots[slot]
            if not ended and not cut:
                for k in range(reached.shape[2]):
                    shown[t + 1, i, k] = reached[t, i, k]
                mission_of[t + 1, i], here[t + 1, i] = mission, there[t, i]
                continue
            cells_seen = 0
            for at in range(visited.shape[1]):
                cells_seen += visited[i, at]
            row = finished[0]
            over[row, 0], over[row, 1], over[row, 2], over[row, 3] = returns[i], lengths[i], solved[t, i], cells_seen
            returns[i], lengths[i] = 0.0, 0
            finished[0] += 1
            left[i] -= 1
            if left[i] == 0:
                continue
            outcome = start_episode(
                cells,
                facts,
                streams,
                scratch,
                params,
                visited,
                lists,
                list_at,
                levels,
                choosers,
                level_of,
                home_cells,
                home_facts,
                i,
            )
            if outcome != FINE:
                return STUCK
            if keeps:
                _keep(cells, facts, i, begun_cells[t], begun_facts[t])
            observe(cells, facts, params, i, images[t + 1], i)
            if turns:
                mission = facts[i, DIRECTION]
            elif varies:
                mission = _mission_of(facts, i, missions)
                unknown |= mission < 0
            mission_of[t + 1, i] = mission
            if mission >= 0:
                slot = _place_of(shown, t + 1, i, mission, rows, named, slots, weights)
                if slots[slot] < 0:
                    _add(shown, t + 1, i, mission, policy, views, slot)
                here[t + 1, i] = slots[slot]
        if unknown:
            return t + 1
    return int(total)


@numba.njit
def _mission_of(facts, i, missions):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The number of environment i's mission, or -1."""
    for k in range(missions.shape[0]):
        same = True
        for j in range(NUM_MISSION):
            same &= facts[i, MISSION + j] == missions[k, j]
        if same:
            return k
    return -1


@numba.njit
def _keep(cells, facts, i, kept_cells, kept_facts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Copy environment i's state into row i."""
    for at in range(cells.shape[1]):
        kept_cells[i, at] = cells[i, at]
    for k in range(facts.shape[1]):
        kept_facts[i, k] = facts[i, k]


@numba.njit
def _likeliest(logits, seen):  # type: ignore[no-untyped-def]  # pragma: no cover
    best = 0
    for action in range(1, logits.shape[1]):
        if logits[seen, action] > logits[seen, best]:
            best = action
    return best


@numba.njit
def _place_of(shown, t, i, mission, rows, named, slots, weights):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The place in the table of environment i's view at t: its own, or the one that is free for it."""
    row = shown[t, i]
    slot = slot_of(row, mission, weights, slots.size)
    while slots[slot] >= 0 and (named[slots[slot]] != mission or differ(row, rows[slots[slot]])):
        slot = (slot + 1) & (slots.size - 1)
    return slot


@numba.njit
def _add(shown, t, i, mission, policy, views, slot):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Number a new view, and ask the policy what it makes of it."""
    new = views.found[0]
    views.found[0] += 1
    views.slots[slot], views.missions[new] = new, mission
    for k in range(views.rows.shape[1]):
        views.rows[new, k] = shown[t, i, k]
    logits_of(views.rows, new, mission, policy, views.layers, views.there, views.logits)
    accumulate(views.logits, new, views.below)
