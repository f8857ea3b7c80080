"""What the agent would see if it turned around on the spot."""

from functools import lru_cache
from typing import Any

import numpy as np

from rewardlab.gridworld.batch import World
from rewardlab.gridworld.constants import DIRECTION
from rewardlab.gridworld.looks import Look
from rewardlab.kernel_cache import call, specialise

observe: Any = None  # filled in for one way of looking


def _panoramas(cells, facts, params, images):
    """Fills images, uint8 [4 * N, V, V, 3]: four views for each environment, direction 0 first."""
    for i in range(cells.shape[0]):
        facing = facts[i, DIRECTION]
        for direction in range(4):
            facts[i, DIRECTION] = direction
            observe(cells, facts, params, i, images, 4 * i + direction)
        facts[i, DIRECTION] = facing


@lru_cache
def _kernel(name: str, size: int, through: bool) -> Any:
    from rewardlab.gridworld.view import observe as template

    seeing = specialise(template, f"observe_{name}", VIEW_SIZE=size, SEE_THROUGH=through)
    return specialise(_panoramas, f"panoramas_{name}", cached=True, observe=seeing)


def panoramas(world: World, look: Look) -> np.ndarray:
    """The views in the four directions, uint8 [N, 4, V, V, 3]; where the agent faces makes no difference.

    Args:
        look: a view, not the whole grid.
    """
    images = np.empty((4 * len(world.cells), *look.shape), dtype=np.uint8)
    kernel = _kernel(look.name, look.constants["VIEW_SIZE"], look.constants["SEE_THROUGH"])
    arguments = (world.cells, world.facts, world.params, images)
    call(kernel, arguments, "the kernels of panoramas")
    return images.reshape(-1, 4, *look.shape)
