"""Crafter's worlds, compiled: the same materials and creatures as `crafter.worldgen`, bit for bit.

The noise is that of the package `opensimplex`, which Crafter reads; its compiled function is called from our loops. The
random numbers are drawn ahead of the loops, and those that were not used are given back.
"""

import math
from functools import cache
from typing import Any

import numba
import numpy as np
from crafter import constants, objects
from opensimplex.internals import _init, _noise3

from rewardlab.kernel_cache import call, specialise
from rewardlab.types import Array

WATER, GRASS, STONE, PATH, SAND, TREE, LAVA, COAL, IRON, DIAMOND = range(1, 11)  # as `crafter.engine.World` counts
COW, ZOMBIE, SKELETON = 1, 2, 3
_MOST_DRAWS = 5  # of one cell: three for its material, two for its creature


def generate_world(world: Any, player: Any) -> None:
    """What `crafter.worldgen.generate_world` does to a world that was just reset, in a 50th of its time."""
    perm, gradients = _init(world.random.randint(0, 2**31 - 1))
    middle, (width, height) = np.asarray(player.pos, dtype=np.int64), world.area
    x, y = np.meshgrid(np.arange(width), np.arange(height), indexing="ij")
    start = 4 - np.sqrt((x - middle[0]) ** 2 + (y - middle[1]) ** 2)
    start += 2 * call(_kernels()[0], (perm, gradients, width, height), "Crafter's terrain")
    start = 1 / (1 + np.exp(-start))  # by numpy, as in the package: other libraries round exp differently
    before = world.random.get_state()
    uniform = world.random.random_sample(_MOST_DRAWS * width * height)
    given = (perm, gradients, start, uniform, middle, world._mat_map)
    creatures, drawn = call(_kernels()[1], given, "Crafter's terrain")
    world.random.set_state(before)
    world.random.random_sample(drawn)
    for at in np.argwhere(creatures):
        kind, place = creatures[tuple(at)], tuple(at.tolist())
        if kind == COW:
            world.add(objects.Cow(world, place))
        else:
            world.add((objects.Zombie if kind == ZOMBIE else objects.Skeleton)(world, place, player))


@cache
def _kernels() -> tuple[Any, Any]:
    assert constants.materials[:10] == ["water", "grass", "stone", "path", "sand", "tree", "lava", "coal", "iron",
                                        "diamond"]  # fmt: skip
    return specialise(_start_noise, "crafter", cached=True), specialise(_terrain, "crafter", cached=True)


def _start_noise(perm: Array, gradients: Array, width: int, height: int) -> Array:
    """float64 [W, H]: what roughens the edge of the meadow that the player begins in."""
    noise = np.empty((width, height))
    for x in range(width):
        for y in range(height):
            noise[x, y] = _noise3(x / 3, y / 3, 8, perm, gradients)
    return noise


def _waves(x: float, y: float, z: int, weight: float, perm: Array, gradients: Array) -> Any:
    """Noise of periods 15 and 5, the second one weighed."""
    return _noise3(x / 15, y / 15, z, perm, gradients) + weight * _noise3(x / 5, y / 5, z, perm, gradients)


_two: Any = numba.njit(_waves)


def _terrain(
    perm: Array, gradients: Array, start: Array, uniform: Array, middle: Array, cells: Array
) -> tuple[Array, int]:
    """Writes the materials into `cells`, uint8 [W, H].

    Returns:
        uint8 [W, H], which creature stands where, and how many of the random numbers were used.
    """
    width, height = cells.shape
    tunnels = np.zeros((width, height), dtype=np.bool_)
    creatures = np.zeros((width, height), dtype=np.uint8)
    drawn = 0
    for x in range(width):
        for y in range(height):
            near = start[x, y]
            water = _two(x, y, 3, 0.15, perm, gradients) + 0.1
            water -= 2 * near
            mountain = _two(x, y, 0, 0.3, perm, gradients) / 1.3
            mountain -= 4 * near + 0.3 * water
            found = GRASS
            if near > 0.5:
                pass
            elif mountain > 0.15:
                found = STONE
                if _noise3(x / 7, y / 7, 6, perm, gradients) > 0.15 and mountain > 0.3:
                    found = PATH
                elif (
                    _noise3(2 * x / 3, y / 5 / 3, 7, perm, gradients) > 0.4
                    or _noise3(x / 5 / 3, 2 * y / 3, 7, perm, gradients) > 0.4
                ):
                    found = PATH
                    tunnels[x, y] = True
                else:
                    if _noise3(x / 8, y / 8, 1, perm, gradients) > 0:
                        drawn += 1
                        if uniform[drawn - 1] > 0.85:
                            found = COAL
                    if found == STONE and _noise3(x / 6, y / 6, 2, perm, gradients) > 0.4:
                        drawn += 1
                        if uniform[drawn - 1] > 0.75:
                            found = IRON
                    if found == STONE and mountain > 0.18:
                        drawn += 1
                        if uniform[drawn - 1] > 0.994:
                            found = DIAMOND
                    if found == STONE and mountain > 0.3 and _noise3(x / 5, y / 5, 6, perm, gradients) > 0.35:
                        found = LAVA
            elif 0.25 < water <= 0.35 and _noise3(x / 9, y / 9, 4, perm, gradients) > -0.2:
                found = SAND
            elif water > 0.3:
                found = WATER
            elif _noise3(x / 7, y / 7, 5, perm, gradients) > 0:
                drawn += 1
                if uniform[drawn - 1] > 0.8:
                    found = TREE
            cells[x, y] = found
    for x in range(width):
        for y in range(height):
            found = cells[x, y]
            if found not in (GRASS, PATH, SAND):
                continue
            away = math.sqrt((x - middle[0]) ** 2 + (y - middle[1]) ** 2)
            if away > 3 and found == GRASS:
                drawn += 1
                if uniform[drawn - 1] > 0.985:
                    creatures[x, y] = COW
            if creatures[x, y] == 0 and away > 10:
                drawn += 1
                if uniform[drawn - 1] > 0.993:
                    creatures[x, y] = ZOMBIE
            if creatures[x, y] == 0 and found == PATH and tunnels[x, y]:
                drawn += 1
                if uniform[drawn - 1] > 0.95:
                    creatures[x, y] = SKELETON
    return creatures, drawn
