"""`curves` and `aggregate_curves`: learning curves over seeds on a common grid of frames."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rewardlab.records.summary import normalise
from rewardlab.report.comparison import Comparison
from rewardlab.report.names import Method
from rewardlab.report.numbers import amount
from rewardlab.report.outcomes import Outcome
from rewardlab.report.reading.run_folder import Run
from rewardlab.report.setting import Setting
from rewardlab.report.statistics import Band, FloatArray, generator, pooled_band
from rewardlab.report.tables.aggregate import SHARES
from rewardlab.report.tables.columns import Column, Kind, Table
from rewardlab.report.tables.labels import label_columns, setting_id_column

GRID_POINTS = 101
TRAINING_GRID_POINTS = 61
OF_STREAMS = ("bonus", "rank", "rank_left")
"""Kinds of bands that there are of each reward stream."""


@dataclass(frozen=True)
class Curve:
    """The curves of one setting on a grid of its environment's frames."""

    setting: Setting
    name: str
    method: str  # name of its method
    agent: str  # name of its agent, which tells settings apart
    frames: FloatArray  # training frames, [G]
    # what they show -> band. Of evaluations "return", "normalised" and "success", without those that the task doesn't
    # have; of training the series of `Training`: "bonus:STREAM" is before its coefficient.
    bands: dict[str, Band]
    going: int = 0  # of runs that still go: how many; no table has them
    place: int = 0  # among the budgets of its method in this environment

    @property
    def covered(self) -> "Curve":
        """Without the points of the grid at which it has nothing: before its first evaluation, and past its end."""
        there = np.any([np.isfinite(band.middle) for band in self.bands.values()], axis=0)
        bands = {key: Band(*(part[there] for part in band)) for key, band in self.bands.items()}
        return replace(self, frames=self.frames[there], bands=bands)

    def label(self, key: str) -> str:
        """Name of a band: the setting's, and the reward stream's where there are several of its kind."""
        kind, colon, stream = key.partition(":")
        streams = [each for each in self.bands if kind in OF_STREAMS and each.startswith(f"{kind}{colon}")]
        name = f"{self.name} ({stream})" if len(streams) > 1 else self.name
        return f"{name} – {self.note}" if self.going else name

    @property
    def note(self) -> str:
        """What marks a curve of runs that still go."""
        seeds = f", {self.going} seeds" if self.going > 1 else ""
        return f"still running{seeds}, to frame {amount(float(self.frames[-1]))}"


def curves_of(comparison: Comparison, env: str) -> list[Curve]:
    """Curves of all settings with counted runs in one environment."""
    settings = [setting for setting in comparison.of_env(env) if setting.outcomes]
    outcomes = [outcome for setting in settings for outcome in setting.outcomes]
    grid = common_grid([outcome.evaluated for outcome in outcomes], max((each.end for each in outcomes), default=0.0))
    return _curves(comparison, grid, ((setting, _evaluated(setting, grid, setting.outcomes)) for setting in settings))


def going_curves_of(comparison: Comparison, env: str) -> list[Curve]:
    """Curves of runs that still go in one environment, each setting's up to the last frame that all of them have."""
    settings = [setting for setting in comparison.of_env(env) if setting.going]
    curves = []
    for setting in settings:
        ends = [float(outcome.evaluated[-1]) for outcome in setting.going]
        cut = [outcome.evaluated[outcome.evaluated <= min(ends)] for outcome in setting.going]
        if not all(frames.size for frames in cut):
            continue
        grid = common_grid(cut, min(ends))
        bands = _evaluated(setting, grid, setting.going, carried=False)
        curves += _curves(comparison, grid, [(setting, bands)])
    return [replace(curve, going=len(curve.setting.going)) for curve in curves]


def training_curves_of(comparison: Comparison, env: str) -> list[Curve]:
    """Curves of the bonuses and of exploration in one environment, of all settings that recorded any."""
    settings = comparison.of_env(env)
    recorded = [
        [o for o in setting.outcomes if o.run.training.series and o.run.training.frames.size] for setting in settings
    ]
    every = [outcome.run.training.frames for several in recorded for outcome in several]
    if not every:
        return []
    ends = min(frames[0] for frames in every), max(frames[-1] for frames in every)
    grid = np.unique(np.round(np.linspace(*ends, TRAINING_GRID_POINTS))).astype(np.float64)
    found = ((setting, _trained(setting, each, grid)) for setting, each in zip(settings, recorded, strict=True))
    return _curves(comparison, grid, found)


def diversity_curves_of(comparison: Comparison, env: str) -> list[Curve]:
    """Coverage and QD score of populations in one environment; in place of `frames` individuals that lived."""
    settings = [setting for setting in comparison.of_env(env) if setting.outcomes]
    every = [run.training.totals for setting in settings for run in (each.run for each in setting.outcomes)]
    counts = [totals["evaluations"] for totals in every if totals.get("evaluations", np.empty(0)).size]
    if not counts:
        return []
    ends = min(each[0] for each in counts), max(each[-1] for each in counts)
    grid = np.unique(np.round(np.linspace(*ends, TRAINING_GRID_POINTS))).astype(np.float64)
    return _curves(comparison, grid, ((setting, _diverse(setting, grid)) for setting in settings))


def common_grid(frames: list[FloatArray], end: float) -> FloatArray:
    """The frames of the runs' evaluations, each [E_i], if all share them, else an even grid to the last end.

    An end that is further off than an evaluation is that of a diverged run: the grid goes there, too.
    """
    if not frames:
        return np.empty(0)
    longest = max(frames, key=lambda each: (each[-1], each.size))
    if longest.size <= 2 * GRID_POINTS and all(np.isin(each, longest).all() for each in frames):
        far = longest.size < 2 or end - longest[-1] > np.diff(longest).max()
        return np.append(longest, end) if far and end > longest[-1] else longest
    return np.unique(np.round(np.linspace(min(each[0] for each in frames), end, GRID_POINTS)))


def _curves(comparison: Comparison, grid: FloatArray, found: Iterable[tuple[Setting, dict[str, Band]]]) -> list[Curve]:
    curves = []
    places: dict[Method, int] = {}
    for setting, bands in found:
        if bands:
            names = comparison.setting_name(setting), comparison.name(setting.method), comparison.agent_name(setting)
            place = places[setting.method] = places.get(setting.method, -1) + 1
            curves.append(Curve(setting, *names, grid, bands, place=place))
    return curves


def _evaluated(
    setting: Setting, grid: FloatArray, outcomes: Sequence[Outcome], *, carried: bool = True
) -> dict[str, Band]:
    """Bands of some runs of a setting; `carried` takes those that have ended to the end of their budgets."""
    anchors = {(outcome.run.random_return, outcome.run.optimal_return) for outcome in outcomes}
    normalised = [outcome.normalised for outcome in outcomes if outcome.normalised is not None]
    series = {"return": [outcome.returns for outcome in outcomes]}
    if len(anchors) > 1 and len(normalised) == len(outcomes):
        series["normalised"] = normalised
    if all(np.isfinite(outcome.success).all() for outcome in outcomes):
        series["success"] = [outcome.success for outcome in outcomes]
    bands = {}
    for metric, values in series.items():
        pairs = zip(outcomes, values, strict=True)
        curves = [_to_the_end(each, each.evaluated, of) if carried else (each.evaluated, of) for each, of in pairs]
        bands[metric] = _band(curves, grid, setting.setting_id, "curve", metric)
    if len(anchors) == 1 and normalised:
        bands["normalised"] = _normalised(bands["return"], outcomes[0].run)
    return bands


def _normalised(band: Band, run: Run) -> Band:
    """One scale for all runs is a straight line, which moves means and quantiles alike: nothing to resample again."""
    assert run.random_return is not None and run.optimal_return is not None
    ends = (run.random_return, run.optimal_return)
    middle, *interval = (normalise(values, *ends) for values in band)
    return Band(middle, *(interval if ends[0] < ends[1] else reversed(interval)))


def _trained(setting: Setting, recorded: Sequence[Outcome], grid: FloatArray) -> dict[str, Band]:
    bands = {}
    for key in sorted({key for outcome in recorded for key in outcome.run.training.series}):
        curves = []
        for outcome in recorded:
            training = outcome.run.training
            values = training.series.get(key, np.empty(0))
            if (known := np.isfinite(values)).any():
                curves.append(_to_the_end(outcome, training.frames[known], values[known]))
        if curves:
            bands[key] = _band(curves, grid, setting.setting_id, "training", key)
    return bands


def _diverse(setting: Setting, grid: FloatArray) -> dict[str, Band]:
    """Seeds live unequally many individuals within their frames: what each came to stands up to the most of them."""
    every = [outcome.run.training.totals for outcome in setting.outcomes]
    end = max((totals["evaluations"][-1] for totals in every if totals.get("evaluations", np.empty(0)).size), default=0)
    bands = {}
    for key in ("coverage", "qd_score"):
        if all(key in totals and np.isfinite(totals[key]).all() and totals[key].size for totals in every):
            curves = [(np.append(each["evaluations"], end), np.append(each[key], each[key][-1])) for each in every]
            bands[key] = _band(curves, grid, setting.setting_id, "diversity", key)
    return bands


def _to_the_end(outcome: Outcome, frames: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows of a run, the last of which stands for what its budget had no room for, or for what came after it diverged.

    Without it the last points of a setting would be those of a few of its seeds.
    """
    if frames[-1] >= outcome.end:
        return frames, values
    return np.append(frames, outcome.end), np.append(values, values[-1])


def _band(curves: Sequence[tuple[FloatArray, FloatArray]], grid: FloatArray, *names: str) -> Band:
    """The band of (frames, values) of several runs, from where all have begun, each up to its own end.

    It is made piece by piece: between two ends of runs the same runs are there.
    """
    table = np.stack([np.interp(grid, frames, values) for frames, values in curves])
    begun = grid >= max(frames[0] for frames, _ in curves)
    alive = np.stack([begun & (grid <= frames[-1]) for frames, _ in curves])
    band = Band(*np.full((3, grid.size), np.nan))
    counts = alive.sum(axis=0)
    for count in np.unique(counts[counts > 0]):
        where = counts == count
        piece = pooled_band([table[alive[:, where][:, 0]][:, where]], generator(*names), 1000)
        for whole, part in zip(band, piece, strict=True):
            whole[where] = part
    return band


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
        *label_columns(lambda curve: curve.setting.method, agent=lambda curve: curve.agent),
        setting_id_column(lambda curve: curve.setting.setting_id),
        Column("frames", Kind.COUNT, lambda curve: curve.frames.astype(np.int64), "training frames", unit="frames"),
        *_band_columns("", lambda curve: curve.bands.get("return"), "the task's own return"),
        *_band_columns("normalised_", lambda curve: curve.bands.get("normalised"), "the normalised return"),
        *_band_columns("success_", lambda curve: curve.bands.get("success"), "the share of successful episodes"),
        Column("n_seeds", Kind.COUNT,
               lambda curve: np.sum([run.end >= curve.frames for run in curve.setting.outcomes], axis=0),
               "runs behind the point; a run with a smaller budget counts up to its own end"),
    ),
    rows=lambda curve: int(curve.frames.size),
)  # fmt: skip

AGGREGATE_CURVES = Table(
    "aggregate_curves",
    "learning curves per scheme over the shared environments",
    (
        *label_columns(lambda curve: curve.method),
        Column("budget_share", Kind.NUMBER, lambda curve: SHARES, "share of each environment's common budget"),
        *(_band_columns("", lambda curve: curve.curve, "the normalised return over all shared environments")[place]
          for place in (1, 2, 0)),
    ),
    rows=lambda curve: SHARES.size,
)  # fmt: skip
