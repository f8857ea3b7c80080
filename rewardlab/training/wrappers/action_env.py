"""Privileges in a vector environment: before some actions its states are changed as the task would not allow."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.types import Array, Obs, PlaceableEnv, Privileges, State, StepBatch, VecEnv


class ActionEnv:
    """The environments with privileges, and with the actions that these add to the task's. A step is one step of the
    task; rewards, ends and time limits are the task's. Without privileges it does what the environments do.

    Which episodes have privileges, and the random stream that says so, are part of the environments' state.
    """

    def __init__(self, env: VecEnv, privileges: Privileges) -> None:
        action = env.spec.action
        assert action.n is not None, "refused by the curriculum"
        self.spec = replace(env.spec, action=replace(action, n=action.n + privileges.extra, extra=privileges.extra))
        self.num_envs = env.num_envs
        self._env, self._privileges = cast(PlaceableEnv, env), privileges
        self._held = np.zeros(env.num_envs, dtype=bool)
        self._rng = np.random.default_rng(0)

    def reset(self, seeds: Any) -> Obs:
        self._rng = seeding.numpy_rng(int(seeds[0]), "privileges")
        self._held = self._drawn(self.num_envs)
        return self._env.reset(seeds)

    def step(self, action: Array) -> StepBatch:
        where = np.flatnonzero(self._privileges.wanted(action))
        held = self._held[where] if self._privileges.per_episode else self._drawn(len(where))
        if held.any() or (self._privileges.extra and len(where)):
            action = action.copy()
            given, places, changed = self._privileges.grant(action[where], self._env.take_places(where), held)
            action[where] = given
            if changed.any():
                self._env.put_places(where[changed], {name: entry[changed] for name, entry in places.items()})
        batch = self._env.step(action)
        ended = batch.terminated | batch.truncated
        if ended.any():
            self._privileges.feedback(batch.success[ended])
            self._held[ended] = self._drawn(int(ended.sum()))
        return batch

    def privileged(self) -> Obs:
        return self._env.privileged()

    def get_state(self) -> State:
        own = {"held": torch.from_numpy(self._held.copy()), "rng": seeding.generator_state(self._rng)}
        return {"env": self._env.get_state()} | own

    def set_state(self, state: State) -> None:
        self._env.set_state(state["env"])
        self._held = state["held"].numpy().copy()
        seeding.set_generator_state(self._rng, state["rng"])

    def take_places(self, where: Array) -> Obs:
        return self._env.take_places(where)

    def put_places(self, where: Array, places: Obs) -> Obs:
        return self._env.put_places(where, places)

    def close(self) -> None:
        self._env.close()

    def _drawn(self, count: int) -> Array:
        """Which of so many have privileges now; nothing is drawn where none ever will."""
        chance = self._privileges.chance
        drawn: Array = self._rng.random(count) < chance if chance else np.zeros(count, dtype=bool)
        return drawn
