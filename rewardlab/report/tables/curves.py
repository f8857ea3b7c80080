"""`curves` and `aggregate_curves`: learning curves over seeds on a common grid of frames."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.records.summary import normalise
from rewardlab.report.comparison import Comparison, Method, Setting
from rewardlab.report.reading.run_folder import Run, Training
from rewardlab.report.statistics import BoolArray, FloatArray, generator, pooled_band
from rewardlab.report.tables.aggregate import Aggregate
from rewardlab.report.tables.columns import Column, Kind, Table
from rewardlab.report.tables.labels import label_columns, setting_id_column

GRID_POINTS = 101
TRAINING_GRID_POINTS = 61


@dataclass(frozen=True)
class Band:
    """Interquartile mean over seeds with its pointwise interval, each [G]; NaN where it cannot be had."""

    middle: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Curve:
    """The curves of one setting on its environment's grid.

    Attributes:
        method: name of its method.
        frames: training frames, [G].
        n_seeds: runs behind each point, [G]; a run with a smaller budget counts up to its own end.
        bands: "return", "normalised" and "success" -> band; without those that the task doesn't have.
    """

    setting: Setting
    name: str
    method: str
    frames: FloatArray
    n_seeds: FloatArray
    bands: dict[str, Band]


@dataclass(frozen=True)
class TrainingCurve:
    """What happened during training, for one setting and one series of `train.csv`.

    Attributes:
        method: name of its method.
        kind: "bonus" (mean reward of a stream per step, before its coefficient) or "explore".
        series: the stream's, or the metric's name.
        frames: training frames, [G]; `band` is on them.
    """

    setting: Setting
    name: str
    method: str
    kind: str
    series: str
    frames: FloatArray
    band: Band


@dataclass(frozen=True)
class SharedCurve:
    """A scheme's normalised return over all shared environments.

    Attributes:
        share: share of each environment's common budget, [G].
        frames: the same in frames where every environment has one and the same budget, else None.
    """

    method: Method
    name: str
    share: FloatArray
    frames: FloatArray | None
    band: Band


def curves_of(comparison: Comparison, env: str) -> list[Curve]:
    """Curves of all settings with counted runs in one environment."""
    settings = [setting for setting in comparison.of_env(env) if setting.outcomes]
    grid = common_grid([outcome.frames for setting in settings for outcome in setting.outcomes])
    return [_curve(comparison, setting, grid) for setting in settings]


def training_curves_of(comparison: Comparison, env: str) -> list[TrainingCurve]:
    """Curves of the bonuses and of exploration in one environment, of all settings that recorded any."""
    settings = [setting for setting in comparison.of_env(env) if setting.outcomes]
    recorded = [run.training for setting in settings for run in _trained(setting)]
    if not recorded:
        return []
    start, end = min(each.frames[0] for each in recorded), max(each.frames[-1] for each in recorded)
    grid: FloatArray = np.unique(np.round(np.linspace(start, end, TRAINING_GRID_POINTS))).astype(np.float64)
    found = []
    for setting in settings:
        runs = _trained(setting)
        for key in sorted({key for run in runs for key in run.training.series}):
            band = _training_band([run.training for run in runs if key in run.training.series], key, grid, setting)
            if band is not None:
                kind, _, series = key.partition(":")
                names = (comparison.setting_name(setting), comparison.name(setting.method))
                found.append(TrainingCurve(setting, *names, kind, series, grid, band))
    return found


def shared_curves(aggregated: Aggregate) -> list[SharedCurve]:
    """One curve per row of the aggregate: the interquartile mean over the pooled runs of all shared environments."""
    curves = []
    for pooled in aggregated.filled.sources:
        ends = [pooled.comparison.common_range(env)[1] for env in pooled.envs]
        share = np.linspace(0.0, 1.0, TRAINING_GRID_POINTS)
        tables = [
            np.stack([np.interp(share * end, outcome.frames, outcome.normalised) for outcome in setting.outcomes])
            for end, setting in zip(ends, pooled.settings, strict=True)
        ]
        band = Band(*pooled_band(tables, generator(pooled.name, "shared curve")))
        frames = share * ends[0] if len(set(ends)) == 1 else None
        curves.append(SharedCurve(pooled.method, pooled.name, share, frames, band))
    return curves


def _trained(setting: Setting) -> list[Run]:
    return [o.run for o in setting.outcomes if o.run.training.series and o.run.training.frames.size]


def _training_band(recorded: list[Training], key: str, grid: FloatArray, setting: Setting) -> Band | None:
    rows, alive = [], []
    for training in recorded:
        known = np.isfinite(training.series[key])
        if known.any():
            frames = training.frames[known]
            rows.append(np.interp(grid, frames, training.series[key][known]))
            # The first row stands for what came before it: nothing is recorded at frame 0.
            alive.append(grid <= frames[-1])
    return _band(np.stack(rows), np.stack(alive), (setting.setting_id, "training", key)) if rows else None


def common_grid(frames: list[FloatArray]) -> FloatArray:
    """The evaluations' own frames if all runs share them, else an even grid up to the largest budget.

    Args:
        frames: frames of each run's evaluations, [E_i].
    """
    if not frames:
        return np.empty(0)
    longest = max(frames, key=lambda each: (each[-1], each.size))
    if longest.size <= 2 * GRID_POINTS and all(np.isin(each, longest).all() for each in frames):
        return longest
    return np.unique(np.round(np.linspace(min(each[0] for each in frames), longest[-1], GRID_POINTS)))


def _curve(comparison: Comparison, setting: Setting, grid: FloatArray) -> Curve:
    outcomes = setting.outcomes
    ends = np.array([outcome.frames[-1] for outcome in outcomes])
    alive = ends[:, None] >= grid
    series: dict[str, list[FloatArray]] = {"return": [outcome.returns for outcome in outcomes]}
    anchors = {(outcome.run.random_return, outcome.run.optimal_return) for outcome in outcomes}
    normalised = [outcome.normalised for outcome in outcomes]
    if (
        len(anchors) > 1
        and (known := [each for each in normalised if each is not None])
        and len(known) == len(outcomes)
    ):
        series["normalised"] = known
    if all(np.isfinite(outcome.success).all() for outcome in outcomes):
        series["success"] = [outcome.success for outcome in outcomes]
    bands = {}
    for metric, values in series.items():
        table = np.stack([np.interp(grid, o.frames, v) for o, v in zip(outcomes, values, strict=True)])
        bands[metric] = _band(table, alive, (setting.setting_id, "curve", metric))
    if len(anchors) == 1 and normalised[0] is not None:
        bands["normalised"] = _normalised(bands["return"], outcomes[0].run)
    method = comparison.name(setting.method)
    return Curve(setting, comparison.setting_name(setting), method, grid, alive.sum(axis=0), bands)


def _normalised(band: Band, run: Run) -> Band:
    """One scale for all runs is a straight line, which moves means and quantiles alike: nothing to resample again."""
    assert run.random_return is not None and run.optimal_return is not None
    ends = (run.random_return, run.optimal_return)
    middle, low, high = (normalise(values, *ends) for values in (band.middle, band.low, band.high))
    return Band(middle, *((low, high) if ends[0] < ends[1] else (high, low)))


def _band(table: FloatArray, alive: BoolArray, names: tuple[str, ...]) -> Band:
    """Bands piece by piece: between two ends of runs the same runs are there."""
    middle, low, high = (np.full(table.shape[1], np.nan) for _ in range(3))
    counts = alive.sum(axis=0)
    for count in np.unique(counts):
        where = counts == count
        if count:
            rows = table[alive[:, where][:, 0]][:, where]
            middle[where], low[where], high[where] = pooled_band([rows], generator(*names), 1000)
    return Band(middle, low, high)


def _band_columns(prefix: str, band: Callable[[Any], Band | None], what: str) -> list[Column]:
    """The middle and both ends of a band, at every point."""

    def part(name: str) -> Callable[[Any], Any]:
        return lambda curve: None if (found := band(curve)) is None else getattr(found, name)

    return [
        Column(f"{prefix}iqm", Kind.NUMBER, part("middle"), f"interquartile mean over seeds of {what}"),
        Column(f"{prefix}low", Kind.NUMBER, part("low"), f"lower end of the 95 % interval of `{prefix}iqm`"),
        Column(f"{prefix}high", Kind.NUMBER, part("high"), "the upper end"),
    ]


CURVES = Table(
    "curves",
    "learning curves per setting: a row per point of a grid of frames",
    (
        Column("env", Kind.TEXT, lambda curve: curve.setting.env, "label of the environment"),
        *label_columns(lambda curve: curve.setting.method, variant=False),
        setting_id_column(lambda curve: curve.setting.setting_id),
        Column("frames", Kind.COUNT, lambda curve: curve.frames.astype(np.int64), "training frames", unit="frames"),
        *_band_columns("", lambda curve: curve.bands.get("return"), "the task's own return"),
        *_band_columns("normalised_", lambda curve: curve.bands.get("normalised"), "the normalised return"),
        *_band_columns("success_", lambda curve: curve.bands.get("success"), "the share of successful episodes"),
        Column("n_seeds", Kind.COUNT, lambda curve: curve.n_seeds.astype(np.int64),
               "runs behind the point; a run with a smaller budget counts up to its own end"),
    ),
    rows=lambda curve: int(curve.frames.size),
)  # fmt: skip

AGGREGATE_CURVES = Table(
    "aggregate_curves",
    "learning curves per scheme over the shared environments",
    (
        *label_columns(lambda curve: curve.method),
        Column("budget_share", Kind.NUMBER, lambda curve: curve.share, "share of each environment's common budget"),
        *(_band_columns("", lambda curve: curve.band, "the normalised return over all shared environments")[place]
          for place in (1, 2, 0)),
    ),
    rows=lambda curve: int(curve.share.size),
)  # fmt: skip
