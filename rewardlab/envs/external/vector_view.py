"""A gymnasium observation as our observation dict: a flat float32 `vector`, or the uint8 `image` as it is."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium.spaces.utils import flatten, flatten_space

from rewardlab.errors import UserError

Env = gymnasium.Env[Any, Any]


def vector_view(env_id: str, env: Env) -> Env:
    """The environment with its observations as ours.

    Raises:
        UserError: the observation space has parts of no fixed size (sequences, graphs).
    """
    space = env.observation_space
    if isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3:
        return _Viewed(env, Dict({"image": space}), lambda observation: {"image": observation})
    try:
        flat = flatten_space(space)
    except NotImplementedError:
        flat = None
    if not isinstance(flat, Box):
        raise UserError(f"env.id={env_id}: observations are {type(space).__name__}, which cannot be made a vector")
    vector = Box(flat.low.astype(np.float32), flat.high.astype(np.float32), dtype=np.float32)
    return _Viewed(
        env,
        Dict({"vector": vector}),
        lambda observation: {"vector": np.asarray(flatten(space, observation), np.float32)},
    )


class _Viewed(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self, env: Env, space: Dict, view: Callable[[Any], dict[str, Any]]) -> None:
        super().__init__(env)
        self.observation_space = space
        self._view = view

    def observation(self, observation: Any) -> dict[str, Any]:
        return self._view(observation)
