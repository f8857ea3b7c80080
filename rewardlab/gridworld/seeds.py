"""Seeding a batch: environment i of a batch seeded with s has numpy's stream of seed s + i."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rewardlab.errors import UserError
from rewardlab.gridworld.streams import seed_stream
from rewardlab.kernel_cache import compile_for, specialise

LARGEST_SEED = 2**63 - 1
_CHOOSER_TAG, _NOISE_TAG = 1, 2  # streams of the same seed that levels do not draw from


def _seed_all(streams, choosers, noise, seeds, chosen):
    """Seeds the streams of the environments that `chosen`, bool [N], names; seeds is int64 [N]."""
    for i in range(seeds.shape[0]):
        if chosen[i]:
            seed = np.uint64(seeds[i])
            seed_stream(streams, i, seed, np.uint64(0))
            seed_stream(choosers, i, seed, np.uint64(_CHOOSER_TAG))
            seed_stream(noise, i, seed, np.uint64(_NOISE_TAG))


@lru_cache
def _seeding() -> Any:
    return specialise(_seed_all, "seed_all", cached=True)


def seeding_kernel(streams: np.ndarray) -> Any:
    """The compiled form of `_seed_all`, for arrays like this one."""
    kernel = _seeding()
    seeds, chosen = np.zeros(len(streams), dtype=np.int64), np.zeros(len(streams), dtype=np.bool_)
    compile_for(kernel, (streams, streams, streams, seeds, chosen), "the random streams")
    return kernel


def check_seed(seed: Any, what: str = "seed") -> int:
    """A seed as an int; refused unless it is an integer from 0 to 2**63 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) <= LARGEST_SEED:
        raise UserError(f"{what}={seed!r}: must be an integer from 0 to {LARGEST_SEED}")
    return int(seed)


def seeds_of(seed: int | Sequence[int | None] | None, num_envs: int) -> list[int | None]:
    """One seed (or None: go on with the stream) per environment, as gymnasium reads the argument of reset."""
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, (int, np.integer)):
        first = check_seed(seed)
        return [check_seed(first + i) for i in range(num_envs)]
    if len(seed) != num_envs:
        raise UserError(f"seed: a list needs one entry per environment, {num_envs}; it has {len(seed)}")
    return [None if entry is None else check_seed(entry) for entry in seed]


def level_seeds(levels: int | Sequence[int] | np.ndarray | None) -> np.ndarray:
    """The fixed level seeds of the option `levels`, int64 [K].

    Args:
        levels: None for endless levels; K for the seeds 0 to K - 1; or the seeds themselves.
    """
    if levels is None:
        return np.zeros(0, dtype=np.int64)
    if isinstance(levels, (int, np.integer)):
        if isinstance(levels, bool) or levels < 1:
            raise UserError(f"levels={levels!r}: must be at least 1, a list of seeds, or None for endless levels")
        return np.arange(levels, dtype=np.int64)
    checked = [check_seed(seed, "levels") for seed in np.asarray(levels).ravel().tolist()]
    if not checked:
        raise UserError("levels=[]: name at least one level seed, or None for endless levels")
    return np.array(checked, dtype=np.int64)
