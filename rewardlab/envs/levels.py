"""Which level an environment plays at each reset: a new one, one of a pool, or the next of a list.

A level is the seed of a reset; it fixes the randomness of the whole episode, not of the first frame only.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

Env = gymnasium.Env[Any, Any]
_STREAM = zlib.crc32(b"level_pool")


def with_levels(
    envs: Sequence[Env], pool: Sequence[int] | None, lists: Sequence[Sequence[int]] | None
) -> Sequence[Env]:
    """Wrap each environment as asked; without a pool or lists each goes on with its own random stream.

    Raises:
        ValueError: a pool and lists at once, either empty, or not one list for each environment.
    """
    if pool is not None and lists is not None:
        raise ValueError("level_pool and level_lists exclude each other")
    if pool is not None:
        if not pool:
            raise ValueError("level_pool is empty")
        return [LevelPool(env, pool) for env in envs]
    if lists is not None:
        if len(lists) != len(envs) or not all(lists):
            raise ValueError(f"level_lists must hold {len(envs)} lists, none of them empty")
        return [LevelList(env, levels) for env, levels in zip(envs, lists, strict=True)]
    return envs


class LevelPool(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Draws a level at every reset, with a random stream of its own that a seeded reset starts anew."""

    def __init__(self, env: Env, pool: Sequence[int]) -> None:
        super().__init__(env)
        self._pool = tuple(pool)
        self._rng = np.random.default_rng(_STREAM)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._rng = np.random.default_rng([seed, _STREAM])
        return self.env.reset(seed=self._pool[self._rng.integers(len(self._pool))], options=options)


class LevelList(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Plays levels in order and then from the start; a seeded reset goes back to the first, whatever the seed."""

    def __init__(self, env: Env, levels: Sequence[int]) -> None:
        super().__init__(env)
        self._levels = tuple(levels)
        self._next = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._next = 0
        level = self._levels[self._next]
        self._next = (self._next + 1) % len(self._levels)
        return self.env.reset(seed=level, options=options)
