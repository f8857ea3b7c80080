"""Crafter's pictures, compiled: the same pixels as `crafter.Env.render` at 64 x 64, bit for bit.

A picture is 9 x 9 tiles of 7 pixels: 9 x 7 of the world around the player, and two rows of what the player has. The
caller draws the noise of the night, so that a picture changes nothing.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from crafter import constants, engine
from PIL import Image

from rewardlab.kernel_cache import call, specialise
from rewardlab.types import Array

SIDE = 64  # pixels
WIDE, HIGH, _ROWS = 9, 7, 2  # tiles of the world in view, and rows of what the player has
_TILE = 7
NIGHT = (WIDE * _TILE, HIGH * _TILE)  # pixels that the night makes noisy
_OBJECTS = (
    "player-left", "player-right", "player-up", "player-down", "player-sleep", "cow", "zombie", "skeleton",
    "arrow-left", "arrow-right", "arrow-up", "arrow-down", "plant", "plant-ripe", "fence",
)  # fmt: skip


@dataclass(frozen=True)
class Tiles:
    """What pictures are put together from.

    Attributes:
        arrays: the arguments of `_draw` that are always the same.
        number: of each object's texture.
    """

    arrays: tuple[Array, ...]
    number: dict[str, int]


@cache
def tiles() -> Tiles:
    """Of the package's textures, read once for all copies of the environment."""
    textures, unit = engine.Textures(constants.root / "assets"), np.array([_TILE, _TILE])
    names = [None, *constants.materials]
    ground = np.stack([textures.get(name, unit)[..., :3] for name in names])
    shown = np.zeros((len(_OBJECTS), _TILE, _TILE, 4), dtype=np.float32)
    for number, name in enumerate(_OBJECTS):
        texture = textures.get(name, unit)
        shown[number] = texture.astype(np.float32) / 255
    items = list(constants.items)
    view = engine.ItemView(textures, [WIDE, _ROWS])
    had = np.zeros((len(items), 10, _TILE, _TILE, 3), dtype=np.uint8)
    for i, name in enumerate(items):
        left, top = _TILE * (i % WIDE), _TILE * (i // WIDE)
        for amount in range(1, 10):
            canvas = view({each: amount * (each == name) for each in items}, unit)
            had[i, amount] = canvas[left : left + _TILE, top : top + _TILE]
    dark = engine.LocalView._vignette.__wrapped__(None, (*NIGHT, 3), 0.5)
    return Tiles((ground, shown, had, dark, _faded()), {name: number for number, name in enumerate(_OBJECTS)})


def draw(cells: Array, at: Array, objects: Array, items: Array, daylight: float, noise: Array, sleeping: bool) -> Array:
    """What the player sees, uint8 [64, 64, 3].

    Args:
        cells: uint8 [W, H], the materials. at: int64 [2], where the player is.
        objects: int64 [K, 3], place and texture of each, in the order in which they are drawn.
        items: int64 [16], how much of each the player has.
        noise: float64 of `NIGHT`, where it is night (`daylight` below a half); else anything of two dimensions.
    """
    given = (cells, at, objects, items, float(daylight), noise, sleeping, *tiles().arrays)
    picture: Array = call(_kernel(), given, "Crafter's pictures")
    return picture


@cache
def _kernel() -> Any:
    return specialise(_draw, "crafter", cached=True)


def _faded() -> Array:
    """uint8 [256, 256]: a grey and a colour, and what lies two fifths of the way between them, as Pillow rounds it."""
    grey, colour = (np.ascontiguousarray(each.astype(np.uint8)) for each in np.mgrid[:256, :256])
    return np.array(Image.blend(Image.fromarray(grey), Image.fromarray(colour), 0.4))


def _draw(
    cells: Array,
    at: Array,
    objects: Array,
    items: Array,
    daylight: float,
    noise: Array,
    sleeping: bool,
    ground: Array,
    shown: Array,
    had: Array,
    dark: Array,
    faded: Array,
) -> Array:
    """Sums are in the package's own order and types: only so are all pixels the same."""
    picture = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    canvas = np.full((WIDE * _TILE, HIGH * _TILE, 3), 127, dtype=np.uint8)
    one, full = np.float32(1), np.float32(255)
    for x in range(WIDE):
        for y in range(HIGH):
            column, row = at[0] + x - WIDE // 2, at[1] + y - HIGH // 2
            if 0 <= column < cells.shape[0] and 0 <= row < cells.shape[1]:
                canvas[x * _TILE : (x + 1) * _TILE, y * _TILE : (y + 1) * _TILE] = ground[cells[column, row]]
    for k in range(len(objects)):
        x, y = objects[k, 0] - at[0] + WIDE // 2, objects[k, 1] - at[1] + HIGH // 2
        if 0 <= x < WIDE and 0 <= y < HIGH:
            for i in range(_TILE):
                for j in range(_TILE):
                    alpha = shown[objects[k, 2], i, j, 3]
                    for c in range(3):
                        behind = np.float32(canvas[x * _TILE + i, y * _TILE + j, c]) / full
                        blended = alpha * shown[objects[k, 2], i, j, c] + (one - alpha) * behind
                        canvas[x * _TILE + i, y * _TILE + j, c] = np.uint8(full * blended)
    amount = 2 * (0.5 - daylight)
    tint, sleep_tint = (0, 16, 64), (0, 0, 16)
    night, lit = np.empty(3, dtype=np.int64), np.empty(3)
    for i in range(WIDE * _TILE):
        for j in range(HIGH * _TILE):
            for c in range(3):
                night[c] = canvas[i, j, c]
                if daylight < 0.5:
                    mask = amount * dark[i, j]
                    night[c] = int((1 - mask) * canvas[i, j, c] + mask * noise[i, j])
            grey = (night[0] * 19595 + night[1] * 38470 + night[2] * 7471 + 0x8000) >> 16
            for c in range(3):
                tinted = 0.5 * faded[grey, night[c]] + 0.5 * tint[c]
                lit[c] = daylight * canvas[i, j, c] + (1 - daylight) * tinted
            if sleeping:
                for c in range(3):
                    night[c] = int(lit[c])
                grey = (night[0] * 19595 + night[1] * 38470 + night[2] * 7471 + 0x8000) >> 16
                for c in range(3):
                    lit[c] = 0.5 * grey + 0.5 * sleep_tint[c]
            for c in range(3):
                picture[j, i, c] = np.uint8(lit[c])
    for k in range(len(items)):
        left, top = _TILE * (k % WIDE), _TILE * (HIGH + k // WIDE)
        for i in range(_TILE):
            for j in range(_TILE):
                picture[top + j, left + i] = had[k, min(max(items[k], 0), 9), i, j]
    return picture
