"""Episodes that begin in given states, where a world can be put into any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardlab.types import Array, EnvSpec, Obs, PlaceableEnv, State, StepBatch


class Placed:
    """Environments whose first episodes after a reset begin in given states; later ones as they would anyway."""

    def __init__(self, env: PlaceableEnv, places: Obs) -> None:
        self.spec: EnvSpec = env.spec
        self.num_envs = env.num_envs
        self._env, self._places = env, places

    def reset(self, seeds: Sequence[int]) -> Obs:
        self._env.reset(seeds)
        return self._env.put_places(np.arange(self.num_envs), self._places)

    def step(self, action: Array) -> StepBatch:
        return self._env.step(action)

    def privileged(self) -> Obs:
        return self._env.privileged()

    def get_state(self) -> State:
        return self._env.get_state()

    def set_state(self, state: State) -> None:
        self._env.set_state(state)

    def close(self) -> None:
        self._env.close()
