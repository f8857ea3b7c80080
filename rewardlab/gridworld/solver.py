"""The shortest way from a state to success: the ceiling that reports normalise with.

Exact where a search over full states ends within its budget. Where it does not, a second search, which carries no
needless things about, may find some way: its length is a bound (nobody needs more steps). Else the answer is honest:
unavailable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.errors import UserError
from rewardlab.gridworld import instructions, search, state
from rewardlab.gridworld.batch import make_world
from rewardlab.gridworld.catalogue import Task, find_task
from rewardlab.gridworld.constants import BALL, BOX, CARRIED, DOOR, GOAL, KEY, LOCKED, REGISTER, WALL, X, Y
from rewardlab.gridworld.instructions import LIMIT, WAITS
from rewardlab.gridworld.state import State
from rewardlab.kernel_cache import kept

DEFAULT_BUDGET = 1_000_000
_FAR = 10_000
_NEAR = 2  # steps around things and doors, within which a search that is not exact drops what it carries


@dataclass(frozen=True)
class Solution:
    """What the solver found.

    Attributes:
        kind: "exact"; "bound"; or "unavailable".
        solvable: whether there is a way to success (in any number of steps); None where that is not known.
        steps: length of the way; for Memory, of one who sees everything; None without one.
        episode_return: what success after so many steps pays, 0 if the episode's limit comes first or there is no way.
        actions: the way.
        nodes: states that were looked at.
        why: in words, where kind is not "exact".
    """

    kind: str
    solvable: bool | None
    steps: int | None
    episode_return: float | None
    actions: tuple[int, ...]
    nodes: int
    why: str = ""


def solve(env_id: str, states: State, i: int = 0, budget: int = DEFAULT_BUDGET) -> Solution:
    """The shortest way to success from environment i of a state, at the beginning of whose episode it may not stand.

    Args:
        env_id: whose rules count.
        states: from `get_state`.
        i: which of its environments.
        budget: states that each of the two searches may look at; a million take about 200 MB.
    """
    task = find_task(env_id)
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or budget < 2:
        raise UserError(f"budget={budget!r}: must be an integer of at least 2")
    if task.family == "dynamicobstacles":
        return Solution("unavailable", None, None, None, (), 0, "obstacles move at random")
    if task.family == "playground":
        return Solution("unavailable", None, None, None, (), 0, "there is no task")
    nodes, first = 0, int(states["steps"][i])
    if _locked_out(task, _world_of(task, states, i)):
        return Solution("exact", False, None, 0.0, (), 0)
    for exact in (True,) if _instructs(task) else (True, False):
        world = _world_of(task, states, i)
        limit = int(limits(task, world.facts)[0])
        distances, near_things = wall_distances(task, world), _near_things(task, world)
        outcome, way, count = search.search(task, world, distances, near_things, exact, int(budget))
        nodes += count
        if exact and outcome == search.NONE:
            return Solution("exact", False, None, 0.0, (), nodes)
        if outcome == search.FOUND:
            steps = first + len(way)
            paid = 1 - 0.9 * (steps / limit) if steps <= limit else 0.0
            kind, why = ("exact", "") if exact else ("bound", "found by a search that leaves out what seldom helps")
            if task.family == "memory":
                kind, why = "bound", "one who sees everything; the agent must look first"
            return Solution(kind, True, len(way), paid, tuple(way), nodes, why)
    return Solution("unavailable", None, None, None, (), nodes, f"no way found among {nodes} states")


def _world_of(task: Task, states: State, i: int) -> Any:
    world = make_world(task, 1, np.zeros(0, dtype=np.int64))
    one = {name: states[name][i : i + 1] for name in ("cells", "agent", "carried", "steps", "mission", "registers")}
    state.write(world, {}, np.array([0]), one)
    take_up(task, world)
    return world


def _instructs(task: Task) -> bool:
    """Whether the task is an instruction of BabyAI's."""
    return task.family.startswith("babyai_")


def limits(task: Task, facts: np.ndarray) -> np.ndarray:
    """The limits of episodes, int32 [N], by their facts, int32 [N, F]."""
    return facts[:, LIMIT] if _instructs(task) else np.full(len(facts), task.max_steps, dtype=np.int32)


def take_up(task: Task, world: Any) -> None:
    """What is taken up with an episode's first action is in the hands of environment 0, as searches need it."""
    if _instructs(task) and world.facts[0, WAITS]:
        instructions.take_up_what_waits(world.cells[0], world.facts[0])


def _flood(task: Task, open_cells: np.ndarray, sources: Sequence[int]) -> np.ndarray:
    """Steps from any of the sources to each cell through open cells, int32 [area]; _FAR where there is no way."""
    distances = np.full(open_cells.shape, _FAR, dtype=np.int32)
    edge = np.empty(len(distances) + len(sources), dtype=np.int64)
    edge[: len(sources)] = sources
    _spread(open_cells, len(sources), task.width, distances, edge)
    return distances


@kept
def _spread(open_cells, known, width, distances, edge):
    """Fills distances, from those in the first `known` places of `edge` on, which has room for all cells beside."""
    height = len(distances) // width
    distances[edge[:known]] = 0
    at = 0
    while at < known:
        here = edge[at]
        x, y = here % width, here // width
        for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            to = here + down * width + right
            inside = 0 <= x + right < width and 0 <= y + down < height
            if inside and open_cells[to] and distances[to] == _FAR:
                distances[to] = distances[here] + 1
                edge[known] = to
                known += 1
        at += 1


def _targets(task: Task, world: Any) -> list[int]:
    """Positions that the agent must reach, or reach the neighbourhood of, in its last step; empty: not known."""
    cells, registers = world.cells[0], world.facts[0, REGISTER:].tolist()
    if task.family in ("memory", "unlock", "gotodoor", "gotoobject", "reachcell"):
        return [registers[0]]
    if task.family == "redbluedoors":
        return [registers[1]]
    if task.family in ("keycorridor", "obstructedmaze", "unlockpickup", "fetch"):
        # A target that lies in a box is not seen here; then nothing is known.
        return np.flatnonzero((cells & 0xFFFF) == registers[0]).tolist()
    if task.family == "putnear":
        return []
    return np.flatnonzero((cells & 0xFF) == GOAL).tolist()


def wall_distances(task: Task, world: Any) -> np.ndarray:
    """Steps to success from each pose if only walls stood in the way, int32 [area * 4]; all 1 where the target may come
    to lie elsewhere.
    """
    if _instructs(task):
        return _steps_to_face(task, world)
    targets = _targets(task, world)
    hidden = task.family in ("keycorridor", "obstructedmaze", "unlockpickup", "fetch") and _movable(world, targets)
    if not targets or hidden:
        return np.ones(4 * world.cells.shape[1], dtype=np.int32)
    return np.repeat(np.maximum(_flood(task, (world.cells[0] & 0xFF) != WALL, targets), 1), 4)


def _steps_to_face(task: Task, world: Any) -> np.ndarray:
    """Steps until the agent faces what an instruction of one deed means, and the deed itself; all 1 for other ones."""
    targets, deeds = instructions.aims(world.facts[0])
    area, ahead = world.cells.shape[1], (1, task.width, -1, -task.width)
    if not targets:
        return np.ones(4 * area, dtype=np.int32)
    open_cells = (world.cells[0] & 0xFF) != WALL
    steps = np.full(4 * area, _FAR, dtype=np.int32)
    edge = [4 * (at - ahead[turn]) + turn for at in targets for turn in range(4) if open_cells[at - ahead[turn]]]
    steps[edge] = 0
    for pose in edge:  # backwards, from what is faced
        at, turn = pose >> 2, pose & 3
        before = [4 * at + (turn + 1) % 4, 4 * at + (turn + 3) % 4]
        if open_cells[at - ahead[turn]]:
            before.append(4 * (at - ahead[turn]) + turn)
        for other in before:
            if steps[other] == _FAR:
                steps[other] = steps[pose] + 1
                edge.append(other)
    return np.maximum(steps + deeds, 1)


def _movable(world: Any, targets: list[int]) -> bool:
    """Whether the target may come to lie elsewhere: it is carried already, or one lies in a box."""
    carried = world.facts[0, CARRIED] != 0 and world.facts[0, CARRIED] & 0xFFFF == world.facts[0, REGISTER]
    return bool(carried) or bool(((world.cells[0] >> 24) & 0xF == BALL).any()) or not targets


def _locked_out(task: Task, world: Any) -> bool:
    """Whether locked doors without a key in reach keep the agent from every target, even if nothing else did.

    A search need not be exhausted to tell such levels: ObstructedMaze's first version draws some (a ball takes the
    place of a key).
    """
    cells = world.cells[0].astype(np.int64)
    kinds, locked = cells & 0xFF, (cells & 0xFF == DOOR) & (cells >> 16 & 0xFF == LOCKED)
    targets = instructions.aims(world.facts[0])[0] if _instructs(task) else _targets(task, world)
    if not targets or task.family == "unlock":
        return False
    agent = int(world.facts[0, Y] * task.width + world.facts[0, X])
    hidden = cells >> 24 & 0xFF
    carried = int(world.facts[0, CARRIED])
    carried_hidden = carried >> 24 & 0xFF
    colours = {carried >> 8 & 0xFF} if carried & 0xFF == KEY else set()
    colours |= {carried_hidden >> 4} if carried_hidden & 0xF == KEY else set()
    while True:
        shut = locked & ~np.isin(cells >> 8 & 0xFF, list(colours))
        passable = (kinds != WALL) & ~shut
        if _instructs(task) and instructions.only_goes(world.facts[0]):
            passable[targets] = True  # to stand in front of a locked door is enough
        reach = _flood(task, passable, [agent]) < _FAR
        if reach[targets].any():
            return False
        found = set((cells >> 8 & 0xFF)[reach & (kinds == KEY)].tolist())
        found |= set((hidden >> 4)[reach & (hidden & 0xF == KEY)].tolist())
        if found <= colours:
            return True
        colours |= found


def _near_things(task: Task, world: Any) -> np.ndarray:
    """Cells within a few steps of doors, things and the agent, uint8 [area]."""
    kinds = world.cells[0] & 0xFF
    sources = np.flatnonzero(np.isin(kinds, (DOOR, KEY, BALL, BOX))).tolist()
    sources.append(int(world.facts[0, Y] * task.width + world.facts[0, X]))
    return (_flood(task, kinds != WALL, sources) <= _NEAR).astype(np.uint8)
