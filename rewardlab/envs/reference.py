"""Our vector environment over gymnasium's: the reference backend."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rewardlab.envs.spaces import ActionCodec
from rewardlab.types import Array, EnvSpec, Obs, StepBatch

Fact = Callable[[], Any]


class ReferenceVecEnv:
    """N gymnasium environments, whose observations are dicts of arrays in our names, stepped one after another.

    gymnasium's own automatic reset is off: the batch of true successors is complete, and its full-state facts
    are taken, before the environments that ended are reset.

    Args:
        worlds: the environments, all alike.
        facts: for each full-state fact, what computes it for each environment's current state.
        reward_is_success: whether an episode that ends with a positive reward is solved.
    """

    def __init__(
        self,
        worlds: Sequence[gymnasium.Env[Any, Any]],
        spec: EnvSpec,
        codec: ActionCodec,
        facts: Mapping[str, Sequence[Fact]] | None = None,
        reward_is_success: bool = False,
    ) -> None:
        self.spec = spec
        self.num_envs = len(worlds)
        self._codec = codec
        self._facts = dict(facts or {})
        self._reward_is_success = reward_is_success
        makers = [lambda world=world: world for world in worlds]
        self._vector = SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.DISABLED)
        self._privileged: Obs = {}

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew; environment i owns the random stream of seeds[i] from here on.

        Raises:
            ValueError: not one seed for each environment.
        """
        frames, _ = self._vector.reset(seed=[int(seed) for seed in seeds])
        self._privileged = self._measure()
        return _copy(frames)

    def step(self, action: Array) -> StepBatch:
        """Step every environment, then reset those that ended.

        Where no episode ended, `obs` and `next_obs` are the same arrays.

        Args:
            action: int64 [N], or float32 [N, A], which is clipped to the bounds.
        """
        frames, reward, terminated, truncated, _ = self._vector.step(self._codec.decode(action))
        obs = next_obs = _copy(frames)
        current = successor = self._measure()
        done = terminated | truncated
        if done.any():
            frames, _ = self._vector.reset(options={"reset_mask": done})
            obs = _copy(frames)
            current = self._remeasure(successor, np.flatnonzero(done))
        self._privileged = current
        success = done & (reward > 0) if self._reward_is_success else np.zeros_like(done)
        return StepBatch(obs, next_obs, reward.astype(np.float32), terminated, truncated, success, successor)

    def privileged(self) -> Obs:
        """Full-state facts of the current states (after automatic resets), each [N, ...]."""
        return self._privileged

    def close(self) -> None:
        self._vector.close()

    def _measure(self) -> Obs:
        return {name: np.array([fact() for fact in facts], np.int64) for name, facts in self._facts.items()}

    def _remeasure(self, before: Obs, changed: Array) -> Obs:
        after = _copy(before)
        for name, facts in self._facts.items():
            for index in changed:
                after[name][index] = facts[index]()
        return after


def _copy(arrays: Mapping[str, Array]) -> Obs:
    """gymnasium writes every batch into the same buffers."""
    return {name: array.copy() for name, array in arrays.items()}
