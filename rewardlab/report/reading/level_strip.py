"""Levels that a designer chose over a run, from its `levels.npz`: see training/level_measures.py."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.records.archive import LEVELS, load
from rewardlab.report.reading.plain import Unreadable, clean, read_bytes

_LIMIT = 1 << 24  # bytes
_SIDE, _MOMENTS, _AT_ONCE = 101, 32, 8


@dataclass(frozen=True)
class Strip:
    """K mazes at each of M moments.

    Attributes:
        frames: int64 [M].
        walls: bool [M, K, h, w].
        start, heading, goal: int64 [M, K]; cells row by row, 0 right, 1 down, 2 left, 3 up.
    """

    frames: NDArray[Any]
    walls: NDArray[Any]
    start: NDArray[Any]
    heading: NDArray[Any]
    goal: NDArray[Any]


def read_strip(run_folder: Path, root: Path) -> Strip:
    """Those of a run, below a folder that links may not lead out of.

    Raises:
        Unreadable: there are none, or they are damaged.
    """
    try:
        content = io.BytesIO(read_bytes(run_folder / LEVELS, root, _LIMIT))
        found = load(content, most=_MOMENTS * _AT_ONCE * _SIDE**2, file_name=LEVELS)
    except ValueError as problem:
        raise Unreadable(clean(str(problem), 200)) from None
    frames, walls, start, heading, goal = (
        found.get(name, np.empty(0)) for name in ("frames", "walls", "start", "heading", "goal")
    )
    whole = walls.ndim == 4 and walls.dtype == np.bool_ and walls.size > 0 and max(walls.shape[2:]) <= _SIDE
    whole = whole and len(walls) <= _MOMENTS and walls.shape[1] <= _AT_ONCE and frames.shape == walls.shape[:1]
    whole = whole and all(entry.dtype == np.int64 for entry in (frames, start, heading, goal))
    whole = whole and all(entry.shape == walls.shape[:2] for entry in (start, heading, goal))
    if whole:
        cells = walls.shape[2] * walls.shape[3]
        limits = ((frames, 1 << 60), (start, cells), (goal, cells), (heading, 4))
        whole = all(bool(((entry >= 0) & (entry < most)).all()) for entry, most in limits)
    if not whole:
        raise Unreadable(f"{LEVELS} holds no mazes")
    return Strip(frames, walls, start, heading, goal)
