"""What a run's `suite.csv` says of held-out levels: columns of each level, by name."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rewardlab.report.reading.plain import TABLE_LIMIT, Table, Unreadable, clean, parse_table, read_bytes, rises

SUITE = "suite.csv"
MEASURED = ("success_rate", "return_mean", "length_mean", "regret")  # of policies
KNOWN = ("optimal_return", "walk")  # of levels
_MOST = 64  # levels


def read_suite(run_folder: Path, root: Path) -> tuple[Table, tuple[str, ...]]:
    """`frames` [E] and `NAME/COLUMN` [E] of each level; nothing where there is no such table. And why, if it can't be
    used: that costs the run nothing else.
    """
    path = run_folder / SUITE
    if not os.path.lexists(path):
        return {}, ()
    try:
        content = read_bytes(path, root, TABLE_LIMIT)
        columns = parse_table(content, SUITE, _wanted, ("frames",), whole=False)
        frames = columns["frames"]
        if not rises(frames):
            raise Unreadable(f"{SUITE}: frames do not increase")
    except Unreadable as problem:
        return {}, (str(problem),)
    return ({clean(name, 100): column for name, column in columns.items()} if frames.size else {}), ()


def levels(suite: Table) -> list[str]:
    """Names of the levels, in their order in the table."""
    names = dict.fromkeys(name.rpartition("/")[0] for name in suite if name != "frames")
    return [name for name in names if all(f"{name}/{column}" in suite for column in (*MEASURED, *KNOWN))][:_MOST]


def late(suite: Table, level: str, column: str, evaluations: int) -> float:
    """The mean over the last evaluations; NaN where the table lacks it."""
    found: NDArray[np.float64] = suite.get(f"{level}/{column}", np.empty(0))
    return float(found[-evaluations:].mean()) if found.size else float("nan")


def _wanted(name: str) -> bool:
    level, _, column = name.rpartition("/")
    return bool(level) and column in (*MEASURED, *KNOWN)
