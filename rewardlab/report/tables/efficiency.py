"""The sample-efficiency table: one row per setting, every number with its interval over seeds."""

from dataclasses import dataclass

import numpy as np

from rewardlab.records.summary import THRESHOLDS
from rewardlab.report.comparison import Comparison, Setting
from rewardlab.report.statistics import (
    Estimate,
    estimate,
    generator,
    kaplan_meier_estimate,
    pooled_interquartile_mean,
)


@dataclass(frozen=True)
class Speed:
    """How soon the seeds of a setting reach a threshold.

    Attributes:
        n_reached: None if the task cannot be normalised.
        cpu_seconds: None if any run didn't record its processor time.
    """

    n_reached: int | None = None
    frames: Estimate = Estimate()
    cpu_seconds: Estimate | None = None


@dataclass(frozen=True)
class EfficiencyRow:
    """One setting in numbers; estimates are empty where nothing is known."""

    setting: Setting
    name: str
    speed: dict[str, Speed]
    auc: Estimate
    final_success: Estimate
    final_return: Estimate
    final_normalised: Estimate

    @property
    def n_seeds(self) -> int:
        return len(self.setting.outcomes)


def efficiency_rows(comparison: Comparison) -> list[EfficiencyRow]:
    """Rows by environment; within it unequal assumptions stay apart, then the larger area comes first."""
    order = {env: place for place, env in enumerate(comparison.envs)}
    rows = [_row(comparison, setting) for setting in comparison.settings]

    def rank(row: EfficiencyRow) -> tuple[object, ...]:
        height = row.auc.value if row.auc.value is not None else row.final_return.value
        return (order[row.setting.env], row.setting.assumes, height is None, -(height or 0.0), row.name)

    return sorted(rows, key=rank)


def _row(comparison: Comparison, setting: Setting) -> EfficiencyRow:
    outcomes = setting.outcomes
    common = comparison.common_range(setting.env)

    def middle(what: str, values: list[float | None]) -> Estimate:
        known = [value for value in values if value is not None and np.isfinite(value)]
        if not known or len(known) < len(outcomes):
            return Estimate()
        return estimate([np.array(known)], pooled_interquartile_mean, generator(setting.setting_id, what))

    return EfficiencyRow(
        setting=setting,
        name=comparison.setting_name(setting),
        speed={suffix: _speed(setting, suffix) for suffix in THRESHOLDS},
        auc=middle("auc", [outcome.area(*common) for outcome in outcomes]),
        final_success=middle("success", [outcome.final_success for outcome in outcomes]),
        final_return=middle("return", [outcome.final_return for outcome in outcomes]),
        final_normalised=middle("normalised", [outcome.final_normalised for outcome in outcomes]),
    )


def _speed(setting: Setting, suffix: str) -> Speed:
    times = [outcome.reached(suffix) for outcome in setting.outcomes]
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return Speed()
    reached = np.array([time.reached for time in known])
    frames = np.array([time.frames for time in known])
    cpu_seconds = np.array([time.cpu_seconds for time in known])
    return Speed(
        n_reached=int(reached.sum()),
        frames=kaplan_meier_estimate(frames, reached, generator(setting.setting_id, "frames", suffix)),
        cpu_seconds=None
        if np.isnan(cpu_seconds).any()
        else kaplan_meier_estimate(cpu_seconds, reached, generator(setting.setting_id, "cpu", suffix)),
    )
