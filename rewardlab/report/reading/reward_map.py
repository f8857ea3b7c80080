"""What a run's learned reward makes of the cells of a level, from its `reward_map.npz`: see training/reward_map.py."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rewardlab.records.archive import REWARD_MAP, load
from rewardlab.report.reading.plain import Unreadable, clean, read_bytes
from rewardlab.report.statistics import FloatArray

_LIMIT = 1 << 24  # bytes
_MOST = 100  # cells of a side
_STREAMS = 24


@dataclass(frozen=True)
class Learned:
    """One reward stream of a run.

    Attributes:
        stream: its name.
        rewards: by cell, [W, H]; NaN where nobody can stand.
        cells: the rank correlation with the potential, over cells; NaN where one of the two is the same everywhere.
        steps: the rank correlation of steps with what they take off the distance to success.
    """

    stream: str
    rewards: FloatArray
    cells: float
    steps: float


@dataclass(frozen=True)
class RewardMap:
    """Learned rewards beside the true potential, minus the steps to success, [W, H]: NaN where nobody can stand."""

    potential: FloatArray
    learned: tuple[Learned, ...]


def read_reward_map(run_folder: Path, root: Path) -> RewardMap:
    """The map of a run, below a folder that links may not lead out of.

    Raises:
        Unreadable: there is none, or it is damaged.
    """
    try:
        content = io.BytesIO(read_bytes(run_folder / REWARD_MAP, root, _LIMIT))
        found = load(content, most=_MOST**2, file_name=REWARD_MAP)
    except ValueError as problem:
        raise Unreadable(clean(str(problem), 200)) from None
    potential = found.get("potential", np.empty(0))
    streams = [name.removeprefix("reward.") for name in found if name.startswith("reward.")][:_STREAMS]
    maps = [potential, *(found[f"reward.{stream}"] for stream in streams)]
    numbers = [found.get(f"{kind}.{stream}", np.empty(0)) for kind in ("cells", "steps") for stream in streams]
    fits = potential.ndim == 2 and potential.size and max(potential.shape) <= _MOST
    fits = fits and all(each.dtype == np.float64 and each.shape == potential.shape for each in maps)
    if not fits or not streams or not all(each.dtype == np.float64 and each.ndim == 0 for each in numbers):
        raise Unreadable(f"{REWARD_MAP} holds no map of rewards")
    potential, *rewards = (np.where(np.isfinite(each), each, np.nan) for each in maps)
    return RewardMap(
        potential,
        tuple(
            Learned(clean(stream, 60), each, float(found[f"cells.{stream}"]), float(found[f"steps.{stream}"]))
            for stream, each in zip(streams, rewards, strict=True)
        ),
    )


def shares(values: FloatArray) -> FloatArray:
    """The ranks of what is known among values [W, H], from 0, the lowest, to 1; equal values have their mean."""
    found = np.full(values.shape, np.nan)
    there = np.isfinite(values)
    _, which, counts = np.unique(values[there], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts + 1) / 2)[which]
    found[there] = ranks / max(1, there.sum() - 1) if len(counts) > 1 else 0.5
    return found
