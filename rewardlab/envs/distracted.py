"""Numbers that nothing the agent does can change, appended to `vector`: what it should learn to leave out.

Each is an AR(1) process, x' = .95 x + sqrt(1 - .95^2) N(0, 1): its variance is 1. It goes on from episode to episode,
as the noise of `envs.noisy` does. What happens, what is paid and full-state facts do not differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.errors import UserError
from rewardlab.maths.counter_noise import normals
from rewardlab.types import Array, Obs, State, StepBatch, VecEnv

_STREAM = "distractors"
_KEPT = 0.95  # of a number, from one observation to the next
_ENTRY = "vector"


def distracted(env: VecEnv, count: int) -> VecEnv:
    """The environment, with so many numbers more.

    Raises:
        UserError: it shows no vector.
    """
    return env if count == 0 else _Distracted(env, count)


class _Distracted:
    """Number t of an environment's distractors depends on its seed and t alone, on no other environment."""

    def __init__(self, env: VecEnv, count: int) -> None:
        entry = env.spec.obs.get(_ENTRY)
        if entry is None or entry.dtype != "float32" or len(entry.shape) != 1:
            raise UserError(f"env.distractors={count}: {env.spec.id} shows no vector to append them to")
        wider = replace(entry, shape=(entry.shape[0] + count,), bounds=None)
        self.spec = replace(env.spec, obs={**env.spec.obs, _ENTRY: wider}, noisy=True, native=None, mdp=None)
        self._env, self.num_envs, self.privileged, self.close = env, env.num_envs, env.privileged, env.close
        self._keys = np.zeros(env.num_envs, dtype=np.uint64)
        self._seen = np.zeros(env.num_envs, dtype=np.int64)  # observations so far
        self._numbers = np.zeros((env.num_envs, count), dtype=np.float32)

    def reset(self, seeds: Sequence[int]) -> Obs:
        obs = self._env.reset(seeds)
        self._keys[:] = [seeding.sequence(seed, _STREAM).generate_state(1, np.uint64)[0] for seed in seeds]
        self._seen[:] = 0
        self._numbers[:] = normals(self._keys, self._seen, self._numbers.shape[1])
        return self._with_numbers(obs)

    def step(self, action: Array) -> StepBatch:
        batch = self._env.step(action)
        self._move(np.arange(self.num_envs))
        obs = next_obs = self._with_numbers(batch.next_obs)
        if batch.obs is not batch.next_obs:
            self._move(np.flatnonzero(batch.terminated | batch.truncated))
            obs = self._with_numbers(batch.obs)
        return replace(batch, obs=obs, next_obs=next_obs)

    def get_state(self) -> State:
        arrays: dict[str, Array] = {"keys": self._keys.view(np.int64), "seen": self._seen, "numbers": self._numbers}
        return {"env": self._env.get_state(), **{name: torch.from_numpy(a.copy()) for name, a in arrays.items()}}

    def set_state(self, state: State) -> None:
        self._env.set_state(state["env"])
        self._keys[:] = state["keys"].numpy().view(np.uint64)
        self._seen[:], self._numbers[:] = state["seen"].numpy(), state["numbers"].numpy()

    def _with_numbers(self, obs: Obs) -> Obs:
        return {**obs, _ENTRY: np.concatenate([obs[_ENTRY], self._numbers], axis=1)}

    def _move(self, rows: Array) -> None:
        self._seen[rows] += 1
        drawn = normals(self._keys[rows], self._seen[rows], self._numbers.shape[1])
        self._numbers[rows] = _KEPT * self._numbers[rows] + np.float32((1.0 - _KEPT**2) ** 0.5) * drawn
