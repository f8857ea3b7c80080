"""What a run's `replicates.csv` and `within.csv` say of the problems that its last evaluation played."""

import os
from pathlib import Path

import numpy as np

from rewardlab.report.reading.plain import TABLE_LIMIT, Table, Unreadable, parse_table, read_bytes

REPLICATES, WITHIN = "replicates.csv", "within.csv"
OF_REPLICATES = ("length", "regret", "last_best", "best_share", "greedy_share", "k_min_share")
LOWER_BOUND = "lower_bound"  # which not all have
OF_STEPS = ("step", "regret_mean", "best_share")


def read_regret(run_folder: Path, root: Path) -> tuple[Table, Table, tuple[str, ...]]:
    """Columns of each replicate, and of each step; nothing where there are no such tables. And why, if they can't be
    used: that costs the run nothing else.
    """
    found: list[Table] = []
    for name, columns in ((REPLICATES, OF_REPLICATES), (WITHIN, OF_STEPS)):
        if not os.path.lexists(run_folder / name):
            return {}, {}, ()
        try:
            content = read_bytes(run_folder / name, root, TABLE_LIMIT)
            table = parse_table(content, name, (*columns, LOWER_BOUND).__contains__, columns, whole=True)
            if not all(np.isfinite(table[column]).all() for column in columns):
                raise Unreadable(f"{name}: holds cells that are no numbers")
        except Unreadable as problem:
            return {}, {}, (str(problem),)
        bounded = np.isfinite(table.get(LOWER_BOUND, np.array([np.nan]))).all()
        found.append({column: table[column] for column in (*columns, *((LOWER_BOUND,) if bounded else ()))})
    replicates, within = found
    if not replicates["length"].size or not within["step"].size or (np.diff(within["step"]) <= 0).any():
        return {}, {}, (f"{WITHIN}: steps do not increase, or there are none",)
    return replicates, within, ()
