"""What returns mean on some levels only: their own optimum, and what uniformly random actions get on them.

`task_facts` has the same over all levels of a task.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_MOST = 2000  # distinct level seeds; the solver takes about 10 ms for one
_EPISODES = 4000  # of random play: a standard error of a hundredth of the scale at most
_TOGETHER = 250  # environments stepped together, at least


def optimum_on(env_id: str, levels: Sequence[int]) -> tuple[str, float | None]:
    """Kind, as `solver.Solution` has it, and mean of the best returns on these level seeds, each counted as often as
    it is named; "unavailable" and None where the solver fails on one of them, or there are too many.
    """
    return _optimum_on(env_id, tuple(levels))


def random_return_on(env_id: str, levels: Sequence[int]) -> float | None:
    """Mean return of uniformly random actions on these level seeds, each counted as often as it is named.

    The actions come from a seed of their own, so that it is the same wherever it is asked for. None: too many levels.
    """
    return _random_return_on(env_id, tuple(levels))


@lru_cache(maxsize=16)
def _optimum_on(env_id: str, levels: tuple[int, ...]) -> tuple[str, float | None]:
    from rewardlab.gridworld.solver import solve
    from rewardlab.gridworld.vector import make_vec

    counts = Counter(levels)
    if len(counts) > _MOST:
        return "unavailable", None
    envs = make_vec(env_id, len(counts))
    envs.reset(seed=list(counts))
    states = envs.get_state()
    kinds, best = set(), []
    for i in range(len(counts)):
        solution = solve(env_id, states, i)
        if solution.episode_return is None:
            return "unavailable", None
        kinds.add(solution.kind)
        best.append(solution.episode_return)
    return "exact" if kinds == {"exact"} else "bound", float(np.average(best, weights=list(counts.values())))


@lru_cache(maxsize=16)
def _random_return_on(env_id: str, levels: tuple[int, ...]) -> float | None:
    from rewardlab.gridworld.vector import make_vec

    counts = Counter(levels)
    if len(counts) > _MOST:
        return None
    copies = -(-_TOGETHER // len(counts))
    num_envs = copies * len(counts)
    each = -(-_EPISODES // num_envs)
    envs = make_vec(env_id, num_envs)
    envs.set_levels(np.repeat(np.array([*counts] * copies)[:, None], each, axis=1))
    envs.reset(seed=0)
    rng = np.random.default_rng(1)
    played, totals = np.zeros(num_envs, dtype=np.int64), np.zeros(num_envs)
    while (running := played < each).any():
        _, rewards, terminated, truncated, _ = envs.step(rng.integers(0, envs.num_actions, num_envs))
        totals += rewards * running
        played += terminated | truncated
    means = totals.reshape(copies, len(counts)).mean(axis=0) / each
    return float(np.average(means, weights=list(counts.values())))
