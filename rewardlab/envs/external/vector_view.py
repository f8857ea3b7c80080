"""A gymnasium observation as our observation dict: a flat float32 `vector`, and the uint8 picture as an `image`.

What becomes of a space:

    its pictures (`envs/external/pictures.py`)    image [H, W, C], channels last
    its texts (`envs/external/texts.py`)          mission int64 [L], a token for each word
    anything else                                 a vector, as gymnasium flattens it: discrete parts as one-hot

In a vector uint8 numbers are divided by the largest of their box, as networks see those of an image.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Box, Dict
from gymnasium.spaces.utils import flatdim, flatten, flatten_space

from rewardlab.envs.external import trees
from rewardlab.envs.external.pictures import Pictures
from rewardlab.envs.external.texts import Texts
from rewardlab.errors import UserError
from rewardlab.types import Array, Obs

Env = gymnasium.Env[Any, Any]
CHANNELS = ("auto", "first", "last")
_NOTHING = Dict({})


class View:
    """How observations of a space become ours.

    Args:
        channels: where those of a picture are; auto: where its smallest dimension is.

    Attributes:
        space: gymnasium's.
        ours: the Dict space of our entries.

    Raises:
        UserError: the space has parts of no fixed size (sequences, graphs), or a picture's channels may be anywhere.
    """

    def __init__(self, env_id: str, space: spaces.Space[Any], channels: str = "auto") -> None:
        self.space = space
        self._texts = Texts(space)
        seen = _NOTHING if self._texts.rest is None else self._texts.rest
        self._pictures = Pictures(env_id, seen, channels)
        entries: dict[str, spaces.Space[Any]] = {}
        if self._texts.box is not None:
            entries["mission"] = self._texts.box
        if self._pictures.box is not None:
            entries["image"] = self._pictures.box
        self._rest = rest = None if seen is _NOTHING else self._pictures.rest
        if rest is not None:
            flat = _flat_space(rest)
            if flat is None:
                raise UserError(f"env.id={env_id}: observations {_why_no_vector(rest)}, which cannot be made a vector")
            self._scale = _scale(rest)
            low, high = ((bound * self._scale).astype(np.float32) for bound in (flat.low, flat.high))
            entries["vector"] = Box(low, high, dtype=np.float32)
        self.ours = Dict(entries)

    def one(self, observation: Any) -> dict[str, Any]:
        """The entries of one observation."""
        shown: dict[str, Any] = {}
        if self._texts.box is not None:
            shown["mission"] = self._texts.of(observation)
            observation = self._texts.left_of(observation)
        if self._pictures.box is not None:
            shown["image"] = self._pictures.of(observation)
        if self._rest is not None:
            flat = np.asarray(flatten(self._rest, self._pictures.left_of(observation)))
            shown["vector"] = (flat * self._scale).astype(np.float32)
        return shown

    def entries(self, shown: Any) -> Obs:
        """See `Native`."""
        found: Obs = {}
        if self._texts.box is not None:
            found["mission"] = self._texts.of_many(shown)
            shown = self._texts.left_of(shown)
        if self._pictures.box is not None:
            found["image"] = self._pictures.of(shown)
        if self._rest is not None:
            left = self._pictures.left_of(shown)
            found["vector"] = (_flattened(self._rest, left) * self._scale).astype(np.float32)
        return found


def viewed(env: Env, view: View) -> Env:
    """The environment with its observations as ours."""
    return _Viewed(env, view)


class _Viewed(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self, env: Env, view: View) -> None:
        super().__init__(env)
        self.observation_space = view.ours
        self._view = view

    def observation(self, observation: Any) -> dict[str, Any]:
        return self._view.one(observation)


def _flat_space(space: spaces.Space[Any]) -> Box | None:
    try:
        flat = flatten_space(space)
    except NotImplementedError:
        return None
    return flat if isinstance(flat, Box) else None


def _why_no_vector(space: spaces.Space[Any]) -> str:
    """The first part of it that has no fixed size."""
    for path, part in trees.leaves(space):
        if _flat_space(part) is None:
            kind = type(part).__name__
            return f"hold {'.'.join(map(str, path))}, a {kind}" if path else f"are {kind}"
    return f"are {type(space).__name__}"


def _scale(space: spaces.Space[Any]) -> Array:
    """What each number of a flattened observation is multiplied by, float64 [D]."""
    parts = trees.parts(space)
    if parts is not None:
        return np.concatenate([np.ones(0), *(_scale(part) for _, part in parts)])
    if isinstance(space, Box) and space.dtype == np.uint8 and space.high.size:
        return np.full(flatdim(space), 1.0 / max(int(space.high.max()), 1))
    return np.ones(flatdim(space))


def _flattened(space: spaces.Space[Any], shown: Any) -> Array:
    """gymnasium's `flatten` of many observations at once, float64 [K, D]."""
    parts = trees.parts(space)
    if parts is not None:
        return np.concatenate([_flattened(part, shown[key]) for key, part in parts], axis=-1)
    if isinstance(space, spaces.Discrete):
        return _one_hot(np.asarray(shown).reshape(-1), int(space.start), int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        columns = np.asarray(shown).reshape(len(shown), -1)
        starts, counts = np.ravel(space.start).tolist(), np.ravel(space.nvec).tolist()
        hot = [_one_hot(column, *facts) for column, *facts in zip(columns.T, starts, counts, strict=True)]
        return np.concatenate(hot, axis=-1)
    if isinstance(space, (Box, spaces.MultiBinary)):
        return np.asarray(shown, np.float64).reshape(len(shown), -1)
    return np.stack([np.asarray(flatten(space, item), np.float64) for item in shown])


def _one_hot(values: Array, start: int, count: int) -> Array:
    """Values [K] -> float64 [K, count]."""
    found: Array = (values[:, None] == start + np.arange(count)).astype(np.float64)
    if not found.any(axis=-1).all():
        raise ValueError(f"a number outside of {start} to {start + count - 1}")
    return found
