"""Random numbers by place instead of by order: number t of stream `key` is the same whoever draws it, and when.

Source: the finaliser of splitmix64 (Steele, Lea and Flood 2014) over key + (t + 1) * the golden ratio.
"""

from typing import Any

import numba
import numpy as np

from rewardlab.maths.counting import GOLDEN, scramble
from rewardlab.types import Array

_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_ONE, _DROPPED, _FRACTION = np.uint64(1), np.uint64(40), np.uint64(11)
_STEP = np.float32(2.0**-24)


def _uniform_of(key: Any, t: Any) -> Any:
    """float32 in [0, 1), of uint64 keys."""
    z = key + (t + _ONE) * GOLDEN
    z = (z ^ (z >> _SHIFTS[0])) * _FIRST
    z = (z ^ (z >> _SHIFTS[1])) * _SECOND
    z = z ^ (z >> _SHIFTS[2])
    return np.float32(z >> _DROPPED) * _STEP


uniform_of: Any = numba.njit(_uniform_of)


def uniforms(keys: Array, t: int) -> Array:
    """Number t of each of the streams `keys`, uint64 [B]: float32 [B]."""
    return (scramble(keys + np.uint64((t + 1) * int(GOLDEN) % 2**64)) >> _DROPPED).astype(np.float32) * _STEP


def normals(keys: Array, ticks: Array, count: int) -> Array:
    """So many numbers of N(0, 1) for each of the streams `keys`, uint64 [B], at its tick, int64 [B].

    They are made of numbers 2 h tick to 2 h (tick + 1) of the stream, h being half of `count`, by the transform of Box
    and Muller 1958: float32 [B, count].
    """
    half = -(-count // 2)
    places = (ticks[:, None] * 2 * half + np.arange(1, 2 * half + 1)).astype(np.uint64)
    uniform = (scramble(keys[:, None] + places * GOLDEN) >> _FRACTION).astype(np.float64) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log1p(-uniform[:, :half])), 2 * np.pi * uniform[:, half:]
    found: Array = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :count]
    return found.astype(np.float32)
