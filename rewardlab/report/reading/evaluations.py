"""What a run's `eval.csv` says: its evaluations."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.report.reading.plain import Table, Unreadable, parse_table, rises
from rewardlab.report.reading.written import digest

FloatArray = NDArray[np.float64]
EVALUATIONS = "eval.csv"


@dataclass(frozen=True)
class Evaluations:
    """The rows of `eval.csv`, each column [E]; cells that are empty or absent are NaN."""

    frames: FloatArray
    return_mean: FloatArray
    success_rate: FloatArray
    cpu_seconds: FloatArray
    wall_seconds: FloatArray
    cells_mean: FloatArray
    episodes: FloatArray
    return_std: FloatArray
    length_mean: FloatArray
    rooms_visited_mean: FloatArray
    rooms_silenced_mean: FloatArray


_EVALUATED = tuple(column.name for column in dataclasses.fields(Evaluations))
OF_EVALUATIONS = (_EVALUATED.__contains__, _EVALUATED[:2])
"""Which columns are read, and which must be there."""


def read_evaluations(
    content: bytes | None, known: Table | None, whole: bool, frames_done: Any
) -> tuple[Evaluations, str]:
    """What a run's `eval.csv` says, and a digest of it: empty where its cells may not be copied.

    Args:
        content: None where there is no such table yet.
        known: its columns, where they have been parsed with those of others.
        whole: the run is finished, so that nothing may lack.
        frames_done: what its status says.

    Raises:
        Unreadable: with one line that says why.
    """
    if content is None:
        return Evaluations(*(np.empty(0) for _ in _EVALUATED)), ""
    columns = known if known is not None else parse_table(content, EVALUATIONS, *OF_EVALUATIONS, whole=whole)
    frames, returns = columns["frames"], columns["return_mean"]
    if whole and not np.isfinite(returns).all():
        raise Unreadable("eval.csv: return_mean is empty or not a number in a finished run")
    usable = np.isfinite(frames) & np.isfinite(returns)
    frames = frames[usable]
    if not np.isfinite(columns["frames"]).all() or not rises(frames):
        raise Unreadable("eval.csv: frames do not increase")
    if whole and frames.size == 0:
        raise Unreadable("eval.csv has no rows, though the run is finished")
    if whole and isinstance(frames_done, int) and frames[-1] < frames_done:
        raise Unreadable(f"eval.csv ends at frame {frames[-1]:.0f}, though the run finished {frames_done}")
    rest = (columns[name][usable] if name in columns else np.full(frames.size, np.nan) for name in _EVALUATED[2:])
    return Evaluations(frames, returns[usable], *rest), digest(content, columns) if usable.all() else ""
