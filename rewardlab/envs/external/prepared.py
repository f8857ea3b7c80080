"""What becomes of observations before anybody sees them: pictures grey and small, several frames at once.

In this order, as in Mnih et al. 2015: grey, shrunk, stacked. A stack holds the latest frames of the episode, the newest
last; where there are none before the first, the first is repeated. Each observation has a stack of its own, so that the
last of an episode, too, shows what came before it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict

from rewardlab.errors import UserError
from rewardlab.maths.pictures import SMALLEST, grey, is_picture, resized, usual_size
from rewardlab.types import Array, Native, Obs

Env = gymnasium.Env[Any, Any]
AUTO = "auto"
_STACKED = ("image", "vector")


@dataclass(frozen=True)
class Preparation:
    """What is asked for.

    size: height and width of pictures; None: as they are. frames: how many at once.
    """

    grey: bool
    size: tuple[int, int] | None
    frames: int

    def __bool__(self) -> bool:
        return self.grey or self.size is not None or self.frames > 1

    def picture(self, picture: Array) -> Array:
        """[H, W, C] -> [h, w, c], without frames before it."""
        if self.grey:
            picture = grey(picture)
        return picture if self.size is None else resized(picture, self.size)

    def space(self, ours: Dict) -> Dict:
        """Of what is shown, from that of what there was."""
        spaces = dict(ours.spaces)
        if "image" in spaces:
            image = spaces["image"]
            assert isinstance(image, Box)
            shape = self.picture(np.zeros(image.shape, image.dtype)).shape
            spaces["image"] = Box(image.low.min(), image.high.max(), shape, image.dtype.type)
        for name in _STACKED:
            if name in spaces and self.frames > 1:
                box = spaces[name]
                assert isinstance(box, Box)
                low, high = (np.concatenate([end] * self.frames, axis=-1) for end in (box.low, box.high))
                spaces[name] = Box(low, high, dtype=box.dtype.type)
        return Dict(list(spaces.items()))


def size_of(text: str | None) -> tuple[int, int] | None:
    """Height and width that `env.resize` names: `84` or `84x96`; None where it names none.

    Raises:
        ValueError: it is neither, or too small.
    """
    if text is None or text == AUTO:
        return None
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isdecimal() and len(side) < 6 for side in sides):
        raise ValueError(f"resize={text}: must be auto, null, a side such as 84, or height x width such as 84x96")
    height, width = int(sides[0]), int(sides[-1])
    if min(height, width) < SMALLEST:
        raise ValueError(f"resize={text}: sides must be at least {SMALLEST}; below, a picture is taken for a grid")
    return height, width


def resize_to(shape: tuple[int, ...] | None) -> str:
    """What `env.resize=auto` stands for where a picture of this shape is shown, in the words of the option."""
    size = usual_size(*shape[:2]) if shape is not None and is_picture(shape) else None
    return AUTO if size is None else f"{size[0]}x{size[1]}"


def preparation(env_id: str, ours: Dict, grayscale: bool, resize: str | None, frame_stack: int) -> Preparation:
    """What the options ask of an environment with such entries.

    Raises:
        UserError: it shows no picture, or none in colours, where one is needed.
    """
    shape = ours["image"].shape if "image" in ours.spaces else None
    size = size_of(resize_to(shape) if resize == AUTO else resize)
    if shape is None and (grayscale or size is not None):
        option = "grayscale=true" if grayscale else f"resize={resize}"
        raise UserError(f"env.{option}: env.id={env_id} shows no picture")
    if grayscale and shape is not None and shape[-1] != 3:
        raise UserError(
            f"env.grayscale=true: env.id={env_id} shows pictures of {shape[-1]} channels, not of red, green and blue"
        )
    return Preparation(grayscale, None if shape is not None and size == shape[:2] else size, frame_stack)


class Prepared(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment, whose observations are dicts of our entries, with these prepared."""

    def __init__(self, env: Env, how: Preparation) -> None:
        super().__init__(env)
        assert isinstance(env.observation_space, Dict)
        self.observation_space = how.space(env.observation_space)
        self._how = how
        self._frames: dict[str, deque[Array]] = {}

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        shown, info = self.env.reset(**given)
        self._frames = {}
        return self._next(shown), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        shown, *rest = self.env.step(action)
        return self._next(shown), *rest  # type: ignore[return-value]

    def _next(self, shown: dict[str, Array]) -> dict[str, Array]:
        found = dict(shown)
        if "image" in found:
            found["image"] = self._how.picture(found["image"])
        if self._how.frames > 1:
            for name in _STACKED:
                if name in found:
                    found[name] = self._stack(name, found[name])
        return found

    def _stack(self, name: str, newest: Array) -> Array:
        count, newest = self._how.frames, newest.copy()  # some environments write all their frames into one array
        kept = self._frames.setdefault(name, deque([newest] * count, maxlen=count))
        kept.append(newest)
        return np.concatenate(kept, axis=-1)


class PreparedNative:
    """gymnasium's own observations of an episode, in order, as what `Prepared` shows of it: see `Native`."""

    def __init__(self, native: Native, how: Preparation) -> None:
        self.space = native.space
        self._native, self._how = native, how

    def entries(self, shown: Any) -> Obs:
        found = self._native.entries(shown)
        if "image" in found:
            found["image"] = np.stack([self._how.picture(picture) for picture in found["image"]])
        for name in _STACKED:
            if name in found and self._how.frames > 1:
                entry = found[name]
                places = np.arange(len(entry))[:, None] - np.arange(self._how.frames)[::-1]
                found[name] = np.concatenate(list(np.moveaxis(entry[places.clip(min=0)], 1, 0)), axis=-1)
        return found
