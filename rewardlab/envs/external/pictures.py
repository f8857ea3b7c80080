"""The pictures that a gymnasium environment shows, wherever they stand in its space, as one image [H, W, C].

What counts as a picture:

    uint8, three dimensions                    where it is all there is to see, or the only one in a Dict; of any size
    uint8, two to four dimensions, from 28     wherever it stands: without channels, or several frames of the last
    float, three dimensions, from 28           the same, with at most 16 channels; divided by the largest of its box

Several of one size stand side by side in the channels of the image. All else is a vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Box, Tuple

from rewardlab.envs.external import making, trees
from rewardlab.errors import UserError
from rewardlab.maths.pictures import SMALLEST, is_picture
from rewardlab.types import Array

Space = spaces.Space[Any]
_MOST_CHANNELS = 16  # of floats: more are a volume, or a table


class Pictures:
    """Those of a space.

    Args:
        channels: where those of a picture are; auto: where its smallest dimension is.

    Attributes:
        box: the space of the image; None where nothing is a picture.
        rest: the space of all else; None where that is nothing.

    Raises:
        UserError: a picture's channels may be anywhere, or there are pictures of several sizes.
    """

    def __init__(self, env_id: str, space: Space, channels: str) -> None:
        leaves = list(trees.leaves(space))
        found = [(path, part) for path, part in leaves if _is_large(part)]
        if not found:
            small = [(path, part) for path, part in leaves if len(path) <= 1 and _is_small(part)]
            found = small if len(small) == 1 and not isinstance(space, Tuple) else []
        self._each = [(path, _Picture(env_id, part, channels)) for path, part in found]
        self.box = self._joined(env_id) if found else None
        self._rest = trees.Rest(space, {path for path, _ in found})
        self.rest = self._rest.space

    def of(self, shown: Any) -> Array:
        """The image of one observation, [H, W, C], or of many that are held together, [K, H, W, C]."""
        images = [picture.image(np.asarray(trees.at(shown, path))) for path, picture in self._each]
        return images[0] if len(images) == 1 else np.concatenate(images, axis=-1)

    def left_of(self, shown: Any) -> Any:
        """What `rest` is the space of."""
        return self._rest.of(shown)

    def _joined(self, env_id: str) -> Box:
        boxes = [picture.box for _, picture in self._each]
        if len({(box.shape[:2], box.dtype) for box in boxes}) > 1:
            sizes = ", ".join(f"{'.'.join(map(str, path))} {picture.box.shape}" for path, picture in self._each)
            raise UserError(f"env.id={env_id}: shows pictures of several sizes ({sizes}); leave one, by a wrapper")
        low, high = (np.concatenate([getattr(box, end) for box in boxes], axis=-1) for end in ("low", "high"))
        return Box(low, high, dtype=boxes[0].dtype.type)


def picture_shape(asked: making.Asked, channels: str) -> tuple[int, ...] | None:
    """[H, W, C] of the picture that a registered environment shows; None where it shows none, or only a small one.

    Raises:
        UserError: it cannot be built, or see `Pictures`.
    """
    box = Pictures(asked.id, making.shown_space(asked), channels).box
    return None if box is None or not is_picture(box.shape) else box.shape


class _Picture:
    """One of them: its dimensions in our order."""

    def __init__(self, env_id: str, space: Box, channels: str) -> None:
        self._dims = len(space.shape)
        self._moved = self._dims > 2 and _channels_first(env_id, space.shape[-3:], channels)
        high = float(space.high.max())
        self._scale = 1.0 / high if space.dtype != np.uint8 and np.isfinite(high) and high > 0 else 1.0
        low, high_box = self.image(space.low), self.image(space.high)
        self.box = Box(low, high_box, dtype=np.uint8 if space.dtype == np.uint8 else np.float32)

    def image(self, shown: Array) -> Array:
        """[..., own] -> [..., H, W, C]."""
        if self._dims == 2:
            shown = shown[..., None]
        if self._moved:
            shown = np.moveaxis(shown, -3, -1)
        if self._dims == 4:  # frames go to the channels, the latest last
            shown = np.moveaxis(shown, -4, -2)
            shown = shown.reshape(*shown.shape[:-2], -1)
        if shown.dtype == np.uint8:
            return shown
        scaled: Array = shown.astype(np.float32) * np.float32(self._scale)
        return scaled


def _is_small(space: Space) -> bool:
    return isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3


def _is_large(space: Space) -> bool:
    if not isinstance(space, Box):
        return False
    sides = sorted(space.shape[-3:])[-2:]
    if space.dtype == np.uint8:
        return 2 <= len(space.shape) <= 4 and is_picture(tuple(sides))
    floats = np.issubdtype(space.dtype, np.floating) and len(space.shape) == 3
    return bool(floats and is_picture(tuple(sides)) and min(space.shape) <= min(_MOST_CHANNELS, SMALLEST - 1))


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
