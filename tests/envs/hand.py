"""Farama's environments stepped by hand: what the adapter is compared with."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from rewardlab.envs import registry
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels


def bare(env_id: str) -> Any:
    """One environment by gymnasium's own make, its checks and wrappers included."""
    registry.registered_ids()  # MiniGrid's tasks and the classic MultiRoom sizes
    return gymnasium.make(env_id)


def grid_env(env_id: str, num_envs: int, privileged: Sequence[str] = (), **levels: Any) -> Any:
    """On the reference backend."""
    return minigrid.make(minigrid.Config(id=env_id, backend="reference"), Levels(num_envs, **levels), privileged)


def grids(env: Any) -> list[Any]:
    """The MiniGrid worlds inside a vector environment."""
    return [world.unwrapped for world in env._vector.envs]


def random_actions(env: Any, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(env.spec.action.n, size=(steps, env.num_envs))
