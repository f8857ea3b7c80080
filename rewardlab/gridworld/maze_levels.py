"""What returns mean on mazes, exactly: the optimum of each, and what uniformly random actions get on it.

`level_facts` has the same for the engine's other tasks, by search and by play.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rewardlab.gridworld.mazes import Mazes, distances, from_state
from rewardlab.kernel_cache import kept
from rewardlab.types.aliases import Array

_COST = 300_000_000  # poses times steps of random play, over all mazes: about a second
_TOGETHER = 256


def mazes_of(env_id: str, seeds: Sequence[int]) -> Mazes:
    """The mazes that level seeds make, a batch of as many."""
    from rewardlab.gridworld.mazes import joined
    from rewardlab.gridworld.vector import make_vec

    envs, found = make_vec(env_id, min(_TOGETHER, len(seeds))), []
    for first in range(0, len(seeds), envs.num_envs):
        some = list(seeds[first : first + envs.num_envs])
        envs.reset(seed=some + [0] * (envs.num_envs - len(some)))
        found.append(from_state(envs.get_state(np.arange(len(some)))))
    return joined(found)


def optima(mazes: Mazes, max_steps: int) -> Array:
    """The best return on each, float64 [M]: 1 - .9 d / max_steps for d fewest steps; 0 where no way is as short."""
    steps = distances(mazes)
    return np.where((steps >= 0) & (steps <= max_steps), 1 - 0.9 * steps / max_steps, 0.0)


def random_play(mazes: Mazes, max_steps: int, num_actions: int) -> tuple[Array, Array]:
    """Chance of success and mean return of uniformly random actions on each, float64 [M] both, without sampling.

    Args:
        num_actions: of which two turn, one walks and the others do nothing.
    """
    success, paid = np.zeros(len(mazes)), np.zeros(len(mazes))
    _walk_at_random(mazes.walls, mazes.start, mazes.heading, mazes.goal, max_steps, num_actions, success, paid)
    return success, paid


@lru_cache(maxsize=64)
def scale(env_id: str, levels: tuple[int, ...]) -> tuple[float, float]:
    """Mean return of random actions and of the best policy on these level seeds.

    Random play is computed on so many of them, at least one, as take about a second: large mazes have many poses and
    long episodes, and random play gets next to nothing there.
    """
    from rewardlab.gridworld.catalogue import find_task

    task, found = find_task(env_id), mazes_of(env_id, levels)
    each = 4 * found.walls[0].size * task.max_steps
    some = found[: max(1, _COST // each)]
    random = random_play(some, task.max_steps, task.num_actions)[1]
    return float(random.mean()), float(optima(found, task.max_steps).mean())


def _walk_at_random_in_all(
    walls: Array,
    start: Array,
    heading: Array,
    goal: Array,
    max_steps: int,
    num_actions: int,
    success: Array,
    paid: Array,
) -> None:  # pragma: no cover
    """Carries the chances of poses forward, one step of all after the other."""
    height, width = walls.shape[1], walls.shape[2]
    chance, after = np.zeros((height, width, 4)), np.zeros((height, width, 4))
    for m in range(walls.shape[0]):
        chance[:] = 0.0
        goal_x, goal_y = goal[m] % width, goal[m] // width
        chance[start[m] // width, start[m] % width, heading[m]] = 1.0
        for t in range(1, max_steps + 1):
            after[:] = 0.0
            for y in range(height):
                for x in range(width):
                    if walls[m, y, x]:
                        continue
                    for way in range(4):
                        each = chance[y, x, way] / num_actions
                        if each == 0.0:
                            continue
                        after[y, x, way] += each * (num_actions - 3)
                        after[y, x, (way + 1) % 4] += each
                        after[y, x, (way + 3) % 4] += each
                        to_x, to_y = x + (way == 0) - (way == 2), y + (way == 1) - (way == 3)
                        if to_x < 0 or to_x >= width or to_y < 0 or to_y >= height or walls[m, to_y, to_x]:
                            after[y, x, way] += each
                        elif to_x == goal_x and to_y == goal_y:
                            success[m] += each
                            paid[m] += each * (1 - 0.9 * t / max_steps)
                        else:
                            after[to_y, to_x, way] += each
            chance, after = after, chance


_walk_at_random = kept(_walk_at_random_in_all)
