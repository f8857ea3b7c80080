"""Counting things that were seen: 64-bit keys of arrays, and occurrences through time."""

from functools import cache

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]

_AT_ONCE = 2**23  # numbers that are hashed
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads a number's low bits over the high ones


def hash_rows(rows: npt.NDArray[np.integer]) -> Keys:
    """One 64-bit key per row of integers, [..., D] -> int64 [...].

    A multilinear hash (Carter and Wegman 1979): each position has its own fixed odd multiplier, modulo 2^64. Two
    different rows of small integers share a key with a probability near 2^-64; the keys are the same on every
    machine and in every version.
    """
    multipliers, flat = _multipliers(rows.shape[-1]), rows.reshape(-1, rows.shape[-1])
    size = max(1, _AT_ONCE // max(1, rows.shape[-1]))  # pictures take eight times their room
    sums = [flat[start : start + size].astype(np.uint64) @ multipliers for start in range(0, max(1, len(flat)), size)]
    return scramble(np.concatenate(sums)).view(np.int64).reshape(rows.shape[:-1])


def combine_keys(keys: Keys, other: npt.NDArray[np.integer]) -> Keys:
    """Keys of pairs, [...] and a broadcastable [...] -> int64 [...]."""
    return scramble(scramble(keys.view(np.uint64)) + np.asarray(other).astype(np.uint64) * GOLDEN).view(np.int64)


def running_counts(keys: Keys) -> npt.NDArray[np.int64]:
    """How often each key has occurred up to and including its own time step, [T, N] -> int64 [T, N].

    A whole time step counts at once: two environments that meet the same key in one step get the same number,
    so the order of the environments does not matter.
    """
    steps, num_envs = keys.shape
    flat = keys.ravel()
    order = np.argsort(flat, kind="stable")  # equal keys stay in the order of time
    in_order, time = flat[order], order // num_envs
    index = np.arange(flat.size)
    begins = np.empty(flat.size, dtype=bool)  # where another key begins
    begins[:1], begins[1:] = True, in_order[1:] != in_order[:-1]
    ends = np.empty(flat.size, dtype=bool)  # last occurrence of a key within a time step
    ends[-1:], ends[:-1] = True, begins[1:] | (time[1:] != time[:-1])
    group_start = np.maximum.accumulate(np.where(begins, index, 0))
    last_in_step = np.flatnonzero(ends)[np.cumsum(ends) - ends]
    counts = np.empty(flat.size, dtype=np.int64)
    counts[order] = last_in_step - group_start + 1
    return counts.reshape(steps, num_envs)


@cache
def _multipliers(length: int) -> npt.NDArray[np.uint64]:
    """Fixed pseudo-random odd numbers: the first `length` outputs of splitmix64."""
    return scramble(np.arange(1, length + 1, dtype=np.uint64) * GOLDEN) | np.uint64(1)


def scramble(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection in which every bit affects all."""
    with np.errstate(over="ignore"):  # modulo 2^64 is meant; numpy warns of it for scalars only
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
