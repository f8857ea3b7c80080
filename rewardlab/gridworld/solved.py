"""States on the way to success, of one who knows the solution."""

from __future__ import annotations

import numpy as np

from rewardlab.gridworld.solver import solve
from rewardlab.gridworld.state import State
from rewardlab.gridworld.vector import GridVectorEnv, make_vec


class PartSolver:
    """Of one task; one environment walks the ways."""

    def __init__(self, env_id: str) -> None:
        self._id = env_id
        self._env: GridVectorEnv | None = None

    def after(self, first: State, share: float) -> State:
        """The state of one environment after a share of the shortest way to success, rounded down to whole steps.

        Args:
            first: entries of a state, without a leading dimension; the same are returned. Where no way is known from
                there, it is returned as it is.
        """
        one = {name: entry[None] for name, entry in first.items()}
        way = solve(self._id, one).actions
        if self._env is None:
            self._env = make_vec(self._id, 1, autoreset=False)
        self._env.reset(seed=0)
        self._env.set_state(one)
        for action in way[: int(share * len(way) + 1e-9)]:
            self._env.step(np.array([action]))
        found = self._env.get_state()
        return {name: found[name][0] for name in first}
