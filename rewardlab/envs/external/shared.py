"""Arrays that processes share: a file without a name, in memory where the system has such, mapped by each of them.

It goes when the last process that holds it ends, however that ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Mapping

import numpy as np

from rewardlab.types import Array

Shapes = Mapping[str, tuple[tuple[int, ...], str]]  # of each array: of one environment's entry, and its dtype
_LINE = 64  # bytes: arrays begin where lines of a cache do


def new_file() -> int:
    """An open file, of no size yet, that children may be handed."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rewardlab")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def shared_arrays(file: int, shapes: Shapes, num_envs: int) -> dict[str, Array]:
    """An array [N, *shape] for each name, at the same place of the file for all who name the same.

    The file grows where it is too small, and never shrinks: nobody's arrays may lose their ground.
    """
    starts, size = {}, 0
    for name, (shape, dtype) in shapes.items():
        starts[name] = size
        size += -(-int(np.prod((num_envs, *shape))) * np.dtype(dtype).itemsize // _LINE) * _LINE
    if os.fstat(file).st_size < size:
        os.ftruncate(file, size)
    ground = mmap.mmap(file, max(size, 1))
    return {
        name: np.ndarray((num_envs, *shape), dtype, buffer=ground, offset=starts[name])
        for name, (shape, dtype) in shapes.items()
    }
