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
_ONE, _DROPPED = np.uint64(1), np.uint64(40)
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
