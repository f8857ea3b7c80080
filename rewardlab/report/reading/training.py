"""What a run's `train.csv` says: of the bonus, of exploration, and of populations."""

import dataclasses
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rewardlab.report.reading.evaluations import Evaluations, FloatArray
from rewardlab.report.reading.plain import TABLE_LIMIT, Table, Unreadable, clean, parse_table, read_bytes, rises

TRAINING = "train.csv"
TOTALS = ("evaluations", "coverage", "qd_score")
FIRSTS = ("evaluations_to_reward", "frames_to_reward")
COVERED = {
    "cells_visited": "cells_mean",
    "rooms_visited": "rooms_visited_mean",
    "rooms_silenced": "rooms_silenced_mean",
}
"""What evaluations tell of how far policies get -> the column of `Evaluations`."""
_MOST_SERIES = 24
_POINTS = 100  # rows are averaged down to so many


@dataclass(frozen=True)
class Training:
    """What `train.csv` says of the bonus and of exploration, averaged down to `_POINTS` rows."""

    frames: FloatArray = field(default_factory=lambda: np.empty(0))  # training frames, [T]
    # "bonus:STREAM" (mean reward of a stream per step), "rank:STREAM" and "rank_left:STREAM" (rank correlation of a
    # learned one with the true reward, and with nearness to success) and "explore:NAME" -> [T]; NaN where empty.
    # "explore:cells_visited" and the like (`COVERED`) are from the evaluations, in between them by interpolation.
    series: dict[str, FloatArray] = field(default_factory=dict)
    # Of populations, what only grows, at `_POINTS` rows as they are, the last one too: of `TOTALS` those that
    # there are, and `FIRSTS`, NaN until there was a reward.
    totals: dict[str, FloatArray] = field(default_factory=dict)
    score: float | None = None  # of what is unlocked in training episodes, at the end; None where nothing can be

    def total(self, name: str) -> float:
        """One of `totals` at the end; NaN where there is none."""
        column = self.totals.get(name, np.empty(0))
        return float(column[-1]) if column.size else float("nan")


def training_content(run_folder: Path, root: Path) -> tuple[bytes | None, tuple[str, ...]]:
    """The table as it is, and why it can't be used; None where there is none."""
    path = run_folder / TRAINING
    if not os.path.lexists(path):
        return None, ()
    try:
        return read_bytes(path, root, TABLE_LIMIT), ()
    except Unreadable as problem:
        return None, (str(problem),)


def read_training(content: bytes | None, known: Table | None) -> tuple[Training, dict[str, float], tuple[str, ...]]:
    """What can be had of `train.csv`: the statistics do without it, so a damaged one costs the run nothing else.

    Beside it, calls and tokens of judges that were asked, and what could not be used.

    Args:
        content: None where there is none that can be used.
        known: its columns, where they have been parsed with those of others.
    """
    if content is None:
        return Training(), {}, ()
    try:
        columns = known if known is not None else parse_table(content, TRAINING, *OF_TRAINING, whole=False)
        frames = columns["frames"]
        if not rises(frames):
            raise Unreadable(f"{TRAINING}: frames do not increase")
    except Unreadable as problem:
        return Training(), {}, (str(problem),)
    series = {name: column for key, column in columns.items() if (name := _series(key)) is not None}
    series = dict(sorted(series.items())[:_MOST_SERIES])
    counted = {name: column for name in (*TOTALS, *FIRSTS) if (column := columns.get(f"explore/{name}")) is not None}
    totals = {name: _picked(column) for name, column in counted.items()} if "evaluations" in counted else {}
    asked: dict[str, float] = {}
    for key in columns:
        if (found := _ASKED.fullmatch(key)) is not None and (end := _last(columns, key)) is not None:
            asked[found[1]] = asked.get(found[1], 0.0) + end
    averaged = {name: _averaged(column) for name, column in series.items()}
    return Training(_averaged(frames), averaged, totals, _last(columns, _SCORE)), asked, ()


def _last(columns: Table, name: str) -> float | None:
    """The last number of a column; None where there is none."""
    column = columns.get(name, np.empty(0))
    known = column[np.isfinite(column)]
    return float(known[-1]) if known.size else None


def with_coverage(training: Training, evaluations: Evaluations) -> Training:
    """With what evaluations tell of coverage, beside what training does."""
    told = {name: getattr(evaluations, column) for name, column in COVERED.items()}
    told = {name: column for name, column in told.items() if np.isfinite(column).any()}
    if not told:
        return training
    frames = training.frames
    if not frames.size:
        frames = evaluations.frames[np.any([np.isfinite(column) for column in told.values()], axis=0)]
    series = dict(training.series)
    for name, column in told.items():
        known = np.isfinite(column)
        series[f"explore:{name}"] = np.interp(frames, evaluations.frames[known], column[known])
    return dataclasses.replace(training, frames=frames, series=series)


def _series(column: str) -> str | None:
    """`reward/intrinsic_mean` -> "bonus:intrinsic", `explore/states` -> "explore:states", `levels/steps` ->
    "levels:steps"; None for all others.
    """
    if column in _FIRST_COLUMNS:
        return None
    if column.startswith("reward/") and column != "reward/task_mean":
        for end, kind in _OF_STREAMS.items():
            if column.endswith(end):
                return f"{kind}:{clean(column[len('reward/') : -len(end)], 60)}"
    kind, slash, name = column.partition("/")
    return f"{kind}:{clean(name, 60)}" if slash and kind in ("explore", "levels") else None


_OF_STREAMS = {"_mean": "bonus", "_rank": "rank", "_rank_left": "rank_left"}
_FIRST_COLUMNS = tuple(f"explore/{name}" for name in FIRSTS)
_SCORE = "score"
_ASKED = re.compile(r"annotate/(?:[^/]*\.)?(calls|tokens)")  # with a key before it where schemes are mixed


def _is_read(column: str) -> bool:
    """Whether the report makes something of a column of `train.csv`."""
    return _series(column) is not None or column in (*_FIRST_COLUMNS, _SCORE) or _ASKED.fullmatch(column) is not None


OF_TRAINING = (_is_read, ("frames",))


def _averaged(column: FloatArray) -> FloatArray:
    """Means over groups of neighbouring rows, [at most _POINTS]; what is empty or infinite does not count."""
    values = np.where(np.isfinite(column), column, np.nan)
    if values.size <= _POINTS:
        return values
    starts = np.linspace(0, values.size, _POINTS, endpoint=False).astype(np.intp)
    known = np.add.reduceat(np.isfinite(values).astype(np.float64), starts)
    sums = np.add.reduceat(np.nan_to_num(values), starts)
    means: FloatArray = np.where(known > 0, sums / np.maximum(known, 1), np.nan)
    return means


def _picked(column: FloatArray) -> FloatArray:
    """At most `_POINTS` rows, evenly spread, the last among them."""
    rows = np.linspace(column.size - 1, 0, min(column.size, _POINTS)).round().astype(np.intp)[::-1]
    return column[rows]
