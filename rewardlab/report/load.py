"""`rewardlab.load`: results as DataFrames, for pandas, seaborn and whatever else reads them."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from rewardlab.report.comparison import Comparison
from rewardlab.report.gather import compare, find, labelled
from rewardlab.report.reading.plain import Unreadable, clean, read_table
from rewardlab.report.reading.training import TRAINING
from rewardlab.report.scaling import scaling
from rewardlab.report.tables.columns import Filled, Table
from rewardlab.report.tables.curves import AGGREGATE_CURVES, CURVES
from rewardlab.report.tables.numbers import Numbers
from rewardlab.report.tables.runs import EVALUATIONS, KEYS, Listed, differing, listed, runs

_NAMES = ("method", "setting")  # of the rows; files leave out what their labels say
_COUNTS = ("frames", "updates", "episodes")


def load(
    *paths: str | Path,
    filters: str | Sequence[str] = (),
    baseline: str | None = None,
    paired: bool = False,
    scale: str | Sequence[str] = (),
    thresholds: str | None = None,
) -> "Results":
    """Loads the runs below results folders. Files are read only; nothing in them is run, unpickled or followed out.

    Args:
        paths: results folders, as `PATH` or `LABEL=PATH`; `results` if none is given.
        filters: which runs, as `rewardlab report --filter` takes them: "env=doorkey*", "seed<5".
        baseline, paired: what the tables compare with, as `rewardlab report` takes them.
        scale, thresholds: what returns are measured by, as `rewardlab report` takes them: "CartPole-v1=22:500" and
            "0.5,0.9".

    Raises:
        UserError: a folder is missing or holds no run, or an option does not fit.
    """
    roots = labelled([str(path) for path in paths] or ["results"])
    chosen = [filters] if isinstance(filters, str) else filters
    measured = scaling([scale] if isinstance(scale, str) else scale, thresholds)
    _, comparison = compare(find(roots), roots, chosen, measured)  # without helpers: a script need not guard its main
    return Results(comparison, dict(roots), baseline, paired)


class Results:
    """Runs as DataFrames, each made when it is first asked for. Change them as you like: files stay as they are."""

    def __init__(self, comparison: Comparison, roots: dict[str, Path], baseline: str | None, paired: bool) -> None:
        self._comparison = comparison
        self._roots = roots
        self._baseline, self._paired = baseline, paired

    def __repr__(self) -> str:
        comparison = self._comparison
        counts = f"{len(comparison.runs)} runs of {len(comparison.settings)} settings"
        return f"<rewardlab.Results: {counts}, {len(comparison.envs)} environments, {len(self.problems)} problems>"

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row per run: labels, state, what it came to, and the options of its config. The columns of `runs.csv`."""
        return runs(self._comparison).written

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """A row per evaluation: the run's keys and the rows of `eval.csv`, the columns of `evaluations.csv`; then the
        options in which runs of the same choices differ.
        """
        sizes = [row.evaluations.frames.size for row in listed(self._comparison)]
        return self._with_options(EVALUATIONS.fill(listed(self._comparison)).written, sizes)

    @property
    def training(self) -> pd.DataFrame:
        """A row per row of `train.csv`, after the run's keys; columns that a run does not have are empty. Then the
        options in which runs of the same choices differ.
        """
        return self._training[0]

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of the report by name: sample_efficiency, aggregate, differences, curves, aggregate_curves; of
        populations diversity, of bandits regret, of held-out levels suite; where nothing is paid coverage.
        """
        numbers = Numbers(self._comparison, self._baseline, paired=self._paired)
        shared = AGGREGATE_CURVES.fill(numbers.aggregated.filled.sources)
        filled = (*numbers.tables, CURVES.fill(numbers.curve_rows), shared)
        return {each.table.name: _named(each) for each in filled}

    @cached_property
    def problems(self) -> pd.DataFrame:
        """What could not be used, a row per file or run: folder, run, reason."""
        comparison = self._comparison
        told = [(each.folder, each.name, each.reason) for each in comparison.problems]
        told += [(run.folder, run.name, blemish) for run in comparison.runs for blemish in run.blemishes]
        told += [problem for problem in self._training[1] if problem not in told]
        return pd.DataFrame(told, columns=["folder", "run", "reason"], dtype="str")

    @cached_property
    def _training(self) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
        frames, problems, sizes = [], [], []
        keys = Table("training", "", KEYS)
        for row in listed(self._comparison):
            try:
                columns = self._rows(row)
            except Unreadable as problem:
                problems.append((row.run.folder, row.run.name, str(problem)))
                columns = {}
            size = columns["frames"].size if columns else 0
            sizes.append(size)
            if columns:
                told = {name: np.repeat(cells, size) for name, cells in keys.fill([row]).written.items()}
                frames.append(pd.DataFrame(told | columns))
        whole = pd.concat(frames, ignore_index=True) if frames else keys.fill([]).written.assign(frames=np.empty(0))
        counts = [name for name in _COUNTS if name in whole and (whole[name].dropna() % 1 == 0).all()]
        return self._with_options(whole.astype(dict.fromkeys(counts, "Int64")), sizes), problems

    @cached_property
    def _differing(self) -> pd.DataFrame:
        return differing(self._comparison)

    def _with_options(self, frame: pd.DataFrame, sizes: Sequence[int]) -> pd.DataFrame:
        """A long table with the options that differ between runs; what it measured wins where names are equal."""
        options = self._differing[[name for name in self._differing if name not in frame]]
        if options.empty:
            return frame
        rows = options.iloc[np.repeat(np.arange(len(sizes)), sizes)].set_axis(frame.index)
        return pd.concat([frame, rows], axis=1)

    def _rows(self, row: Listed) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        """The columns of a run's `train.csv`; none if it has none.

        Raises:
            Unreadable: it cannot be used.
        """
        root = self._roots[row.run.folder]
        path = root / row.run.name / TRAINING
        if any(TRAINING in blemish for blemish in row.run.blemishes) or not path.parent.is_dir() or not path.exists():
            return {}
        keys = {column.name for column in KEYS}
        columns = read_table(path, root, lambda name: name not in keys, ("frames",), whole=False)
        return {clean(name, 100): column for name, column in columns.items()}


def _named(filled: Filled) -> pd.DataFrame:
    names = [name for name in _NAMES if name in filled.frame.columns]
    return filled.frame[[*names, *(name for name in filled.written.columns if name not in names)]]
