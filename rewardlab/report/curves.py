"""Learning curves over seeds on a common grid of frames."""

from dataclasses import dataclass

import numpy as np

from rewardlab.report.statistics import BoolArray, FloatArray, curve_band, generator
from rewardlab.report.study import Setting, Study

GRID_POINTS = 101


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
        frames: training frames, [G].
        n_seeds: runs behind each point, [G]; a run with a smaller budget counts up to its own end.
        bands: "return", "normalised" and "success" -> band; without those that the task doesn't have.
    """

    setting: Setting
    name: str
    frames: FloatArray
    n_seeds: FloatArray
    bands: dict[str, Band]


def curves_of(study: Study, env: str) -> list[Curve]:
    """Curves of all settings with counted runs in one environment."""
    settings = [setting for setting in study.of_env(env) if setting.outcomes]
    grid = common_grid([outcome.frames for setting in settings for outcome in setting.outcomes])
    return [_curve(study, setting, grid) for setting in settings]


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


def _curve(study: Study, setting: Setting, grid: FloatArray) -> Curve:
    outcomes = setting.outcomes
    ends = np.array([outcome.frames[-1] for outcome in outcomes])
    alive = ends[:, None] >= grid
    series: dict[str, list[FloatArray]] = {"return": [outcome.returns for outcome in outcomes]}
    normalised = [outcome.normalised for outcome in outcomes]
    if (known := [each for each in normalised if each is not None]) and len(known) == len(outcomes):
        series["normalised"] = known
    if all(np.isfinite(outcome.success).all() for outcome in outcomes):
        series["success"] = [outcome.success for outcome in outcomes]
    bands = {}
    for metric, values in series.items():
        table = np.stack([np.interp(grid, o.frames, v) for o, v in zip(outcomes, values, strict=True)])
        bands[metric] = _band(table, alive, (setting.setting_id, "curve", metric))
    return Curve(setting, study.setting_name(setting), grid, alive.sum(axis=0), bands)


def _band(table: FloatArray, alive: BoolArray, names: tuple[str, ...]) -> Band:
    """Bands piece by piece: between two ends of runs the same runs are there."""
    middle, low, high = (np.full(table.shape[1], np.nan) for _ in range(3))
    for count in np.unique(alive.sum(axis=0)):
        where = alive.sum(axis=0) == count
        if count:
            rows = table[alive[:, where][:, 0]][:, where]
            middle[where], low[where], high[where] = curve_band(rows, generator(*names))
    return Band(middle, low, high)
