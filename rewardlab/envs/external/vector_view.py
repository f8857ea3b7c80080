"""A gymnasium observation as our observation dict: a flat float32 `vector`, and the uint8 picture as an `image`.

What becomes of a space:

    a picture (uint8, three dimensions)     image [H, W, C]; channels that come first are moved to the end
    a Dict that holds one picture           the same, and everything else in it a vector
    anything else                           a vector, as gymnasium flattens it: discrete parts as one-hot

In a vector uint8 numbers are divided by the largest of their box, as networks see those of an image.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Box, Dict
from gymnasium.spaces.utils import flatdim, flatten, flatten_space

from rewardlab.errors import UserError
from rewardlab.types import Array, Obs

Env = gymnasium.Env[Any, Any]
CHANNELS = ("auto", "first", "last")


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
        self._picture, rest = _split(space)
        entries: dict[str, spaces.Space[Any]] = {}
        if self._picture is not None:
            picture: Any = space if self._picture == "" else space[self._picture]  # type: ignore[index]
            self._moved = _channels_first(env_id, picture.shape, channels)
            low, high = (np.moveaxis(bound, 0, -1) if self._moved else bound for bound in (picture.low, picture.high))
            entries["image"] = Box(low, high, dtype=np.uint8)
        self._rest = rest
        if rest is not None:
            flat = _flat_space(rest)
            if flat is None:
                raise UserError(
                    f"env.id={env_id}: observations are {type(space).__name__}, which cannot be made a vector"
                )
            self._scale = _scale(rest)
            low, high = ((bound * self._scale).astype(np.float32) for bound in (flat.low, flat.high))
            entries["vector"] = Box(low, high, dtype=np.float32)
        self.ours = Dict(entries)

    def one(self, observation: Any) -> dict[str, Any]:
        """The entries of one observation."""
        shown: dict[str, Any] = {}
        if self._picture is not None:
            picture = observation if self._picture == "" else observation[self._picture]
            shown["image"] = np.moveaxis(picture, 0, -1) if self._moved else picture
        if self._rest is not None:
            flat = np.asarray(flatten(self._rest, observation))
            shown["vector"] = (flat * self._scale).astype(np.float32)
        return shown

    def entries(self, shown: Any) -> Obs:
        """See `Native`."""
        found: Obs = {}
        if self._picture is not None:
            pictures = np.asarray(shown if self._picture == "" else shown[self._picture])
            found["image"] = np.moveaxis(pictures, 1, -1) if self._moved else pictures
        if self._rest is not None:
            found["vector"] = (_flattened(self._rest, shown) * self._scale).astype(np.float32)
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


def _split(space: spaces.Space[Any]) -> tuple[str | None, spaces.Space[Any] | None]:
    """The key of the picture ("" where the space is one, None where there is none), and the space of all else."""
    if _is_picture(space):
        return "", None
    if isinstance(space, Dict):
        pictures = [key for key, part in space.spaces.items() if _is_picture(part)]
        if len(pictures) == 1:
            rest = [(key, part) for key, part in space.spaces.items() if key != pictures[0]]
            return pictures[0], Dict(rest) if rest else None
    return None, space


def _is_picture(space: spaces.Space[Any]) -> bool:
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3


def _channels_first(env_id: str, shape: tuple[int, ...], channels: str) -> bool:
    """Whether a picture's channels come first. Where nobody says, they are its smallest dimension: the last, or a first
    of at most half of the others.
    """
    first, middle, last = shape
    if channels != "auto":
        return channels == "first"
    if last < min(first, middle):
        return False
    if 2 * first <= min(middle, last):
        return True
    raise UserError(
        f"env.id={env_id}: where are the channels of a picture of shape {shape}? env.channels=first or last"
    )


def _flat_space(space: spaces.Space[Any]) -> Box | None:
    try:
        flat = flatten_space(space)
    except NotImplementedError:
        return None
    return flat if isinstance(flat, Box) else None


def _scale(space: spaces.Space[Any]) -> Array:
    """What each number of a flattened observation is multiplied by, float64 [D]."""
    parts = _parts(space)
    if parts is not None:
        return np.concatenate([np.ones(0), *(_scale(part) for _, part in parts)])
    if isinstance(space, Box) and space.dtype == np.uint8 and space.high.size:
        return np.full(flatdim(space), 1.0 / max(int(space.high.max()), 1))
    return np.ones(flatdim(space))


def _flattened(space: spaces.Space[Any], shown: Any) -> Array:
    """gymnasium's `flatten` of many observations at once, float64 [K, D]."""
    parts = _parts(space)
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


def _parts(space: spaces.Space[Any]) -> list[tuple[Any, spaces.Space[Any]]] | None:
    if isinstance(space, Dict):
        return list(space.spaces.items())
    return list(enumerate(space.spaces)) if isinstance(space, spaces.Tuple) else None


def _one_hot(values: Array, start: int, count: int) -> Array:
    """Values [K] -> float64 [K, count]."""
    found: Array = (values[:, None] == start + np.arange(count)).astype(np.float64)
    if not found.any(axis=-1).all():
        raise ValueError(f"a number outside of {start} to {start + count - 1}")
    return found
