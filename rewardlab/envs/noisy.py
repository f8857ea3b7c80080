"""Sensors that err: Gaussian noise on every number that is seen, in whatever environment.

Only observations differ. What happens, what is paid and full-state facts do not. The noise is each environment's own
and goes on from episode to episode: a level fixes what happens in an episode, and would its noise come back with it,
the noise of a few levels could be learnt.
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

_STREAM = "observation_noise"


def noisy(env: VecEnv, deviation: float, frames: int = 1) -> VecEnv:
    """The environment, with such noise where there is to be any.

    Args:
        frames: how many observations are shown at once, the newest last; each keeps the noise that it was seen with.

    Raises:
        UserError: it shows no numbers but whole ones.
    """
    return env if deviation == 0 else _Noisy(env, deviation, frames)


class _Noisy:
    """Number t of an environment's noise depends on its seed and t alone, on no other environment."""

    def __init__(self, env: VecEnv, deviation: float, frames: int) -> None:
        floats = {name: entry for name, entry in env.spec.obs.items() if entry.dtype == "float32"}
        if not floats:
            raise UserError(f"env.noise={deviation:g}: {env.spec.id} shows no numbers with fractions")
        self._env, self._deviation, self._frames = env, np.float32(deviation), frames
        unbounded = {name: replace(entry, bounds=None) for name, entry in floats.items()}
        obs = {name: unbounded.get(name, entry) for name, entry in env.spec.obs.items()}
        self.spec = replace(env.spec, obs=obs, noisy=True)
        self.num_envs, self.privileged, self.close = env.num_envs, env.privileged, env.close
        self._keys = np.zeros(env.num_envs, dtype=np.uint64)
        self._seen = np.zeros(env.num_envs, dtype=np.int64)  # observations so far
        self._noise = {name: np.zeros((env.num_envs, *entry.shape), np.float32) for name, entry in floats.items()}

    def reset(self, seeds: Sequence[int]) -> Obs:
        obs = self._env.reset(seeds)
        words = [seeding.sequence(seed, _STREAM).generate_state(1, np.uint64)[0] for seed in seeds]
        self._keys[:], self._seen[:] = words, 0
        everybody = np.arange(self.num_envs)
        self._draw(everybody, begins=True)
        return self._with_noise(obs)

    def step(self, action: Array) -> StepBatch:
        batch = self._env.step(action)
        self._draw(np.arange(self.num_envs), begins=False)
        obs = next_obs = self._with_noise(batch.next_obs)
        if batch.obs is not batch.next_obs:
            self._draw(np.flatnonzero(batch.terminated | batch.truncated), begins=True)
            obs = self._with_noise(batch.obs)
        return replace(batch, obs=obs, next_obs=next_obs)

    def get_state(self) -> State:
        noise = {name: torch.from_numpy(array.copy()) for name, array in self._noise.items()}
        keys = torch.from_numpy(self._keys.view(np.int64).copy())
        seen = torch.from_numpy(self._seen.copy())
        return {"env": self._env.get_state(), "keys": keys, "seen": seen, "noise": noise}

    def set_state(self, state: State) -> None:
        self._env.set_state(state["env"])
        self._keys[:] = state["keys"].numpy().view(np.uint64)
        self._seen[:] = state["seen"].numpy()
        for name, array in self._noise.items():
            array[:] = state["noise"][name].numpy()

    def _with_noise(self, obs: Obs) -> Obs:
        return {name: entry + self._noise[name] if name in self._noise else entry for name, entry in obs.items()}

    def _draw(self, rows: Array, begins: bool) -> None:
        """New noise for some environments, whose episodes begin or go on."""
        newest = {name: array.shape[-1] // self._frames for name, array in self._noise.items()}
        counts = {name: array[0, ..., : newest[name]].size for name, array in self._noise.items()}
        drawn = self._deviation * normals(self._keys[rows], self._seen[rows], sum(counts.values()))
        self._seen[rows] += 1
        at = 0
        for name, array in self._noise.items():
            width = newest[name]
            new = drawn[:, at : at + counts[name]].reshape(len(rows), *array.shape[1:-1], width)
            before = np.tile(new, self._frames) if begins else array[rows]
            array[rows] = np.concatenate([before[..., width:], new], axis=-1)
            at += counts[name]
