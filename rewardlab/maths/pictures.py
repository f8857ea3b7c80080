"""Pictures of pixels: what counts as one, its grey, and its shrinking."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rewardlab.types import Array

SMALLEST = 28  # sides from here on are pixels; the grids of this field have up to 25 cells
STRIDED = 36  # from here on the strided convolutions of Mnih et al. 2015 fit
USUAL = (84, 84)  # height and width, as in Mnih et al. 2015
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue: Rec. 601, as Atari's preprocessing has it


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether [H, W, ...] are pixels rather than the cells of a grid."""
    return len(shape) >= 2 and min(shape[:2]) >= SMALLEST


def usual_size(height: int, width: int) -> tuple[int, int] | None:
    """What a picture is shrunk to where nobody says: 84 x 84, where it has more than twice as many pixels."""
    return USUAL if height * width > 2 * USUAL[0] * USUAL[1] else None


def grey(pictures: Array) -> Array:
    """The brightness of red, green and blue, [..., 3] -> [..., 1] of the same type."""
    found: Array = pictures.astype(np.float32) @ _LUMA
    if pictures.dtype == np.uint8:
        found = np.rint(found)
    return found.astype(pictures.dtype)[..., None]


def resized(picture: Array, size: tuple[int, int]) -> Array:
    """A picture [H, W, C] -> [h, w, C] of the same type: averages over areas where it shrinks, as cv2's INTER_AREA.

    Each of the new pixels is the mean of what lies under it, parts of pixels by their share. A side that grows repeats
    its pixels by the same rule.
    """
    rows, columns = (_shares(have, want) for have, want in zip(picture.shape[:2], size, strict=True))
    height, width, channels = picture.shape
    # First down, then across: two products of small matrices instead of a loop over pixels.
    down = rows @ picture.reshape(height, width * channels).astype(np.float32)
    across: Array = np.matmul(columns, down.reshape(size[0], width, channels))
    if picture.dtype == np.uint8:
        across = np.rint(across)
    return across.astype(picture.dtype)


@lru_cache
def _shares(have: int, want: int) -> Array:
    """float32 [want, have]: how much of each new pixel each old one is; rows sum up to 1."""
    edges = np.arange(want + 1) * (have / want)
    old = np.arange(have)
    covered = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    shares: Array = covered.clip(min=0.0) * (want / have)
    return shares.astype(np.float32)
