"""`sample_efficiency`: one row per setting, every number with its interval over seeds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rewardlab.records.summary import THRESHOLDS
from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount, duration
from rewardlab.report.outcomes import Outcome
from rewardlab.report.setting import Setting
from rewardlab.report.statistics import (
    Estimate,
    FloatArray,
    estimate,
    generator,
    kaplan_meier_estimate,
    pooled_interquartile_mean,
)
from rewardlab.report.tables.columns import LESS, MORE, Column, Filled, Kind, Row, Table
from rewardlab.report.tables.labels import SCORE, SEARCHED, Counted, explained, setting_columns


@dataclass(frozen=True)
class Measured(Counted):
    """What is measured of a setting."""

    @cached_property
    def common_end(self) -> float:
        return self.comparison.common_end(self.setting.env)

    @cached_property
    def return_areas(self) -> list[FloatArray]:
        """Areas in the task's own return, one array; none where returns can be normalised, and areas with them."""
        env = self.setting.env
        span = self.comparison.first_evaluation(env), self.comparison.common_end(env)
        if self.comparison.normalises(env) or span[0] > span[1]:
            return []
        return [np.array([outcome.return_area(*span) for outcome in self.setting.outcomes])]

    def return_area(self) -> Estimate | None:
        if not self.return_areas:
            return None
        rng = generator(self.setting.setting_id, "return area")
        return estimate(self.return_areas, pooled_interquartile_mean, rng)

    def middle(self, what: str, value: Callable[[Outcome], float | None]) -> Estimate | None:
        """Interquartile mean over seeds of one number of a run; None if a run doesn't have it."""
        values = [value(outcome) for outcome in self.setting.outcomes]
        known = [each for each in values if each is not None and np.isfinite(each)]
        if len(known) < len(values):
            return None
        return estimate([np.array(known)], pooled_interquartile_mean, generator(self.setting.setting_id, what))

    def searched(self, name: str) -> int | None:
        """What it took to find the code that is paid by, and judges of a run: the most of all runs."""
        told = [value for each in self.setting.outcomes if (value := getattr(each.run, name)) is not None]
        return int(max(told)) if told else None

    def n_reached(self, threshold: float) -> int | None:
        """Seeds that reached a threshold; None if the task cannot be normalised."""
        times = [outcome.reached(threshold) for outcome in self.setting.outcomes]
        return None if None in times else sum(time is not None and time.reached for time in times)

    def median(self, unit: str, suffix: str, threshold: float) -> Estimate | None:
        """Censored median over seeds until a threshold, in frames or cpu_seconds; None if a run didn't record it."""
        times = [time for outcome in self.setting.outcomes if (time := outcome.reached(threshold)) is not None]
        taken = np.array([getattr(time, unit) for time in times])
        if len(times) < len(self.setting.outcomes) or np.isnan(taken).any():
            return None
        rng = generator(self.setting.setting_id, unit.removesuffix("_seconds"), suffix)
        return kaplan_meier_estimate(taken, np.array([time.reached for time in times]), rng)

    def of_rmax(self, suffix: str, threshold: float) -> float | None:
        """Those frames as a multiple of the exact planner's, R-max: of the quickest setting of it on the task."""
        rivals = [each for each in self.comparison.of_env(self.setting.env) if each.outcomes and _plans_by_rmax(each)]
        if not rivals:
            return None
        own = self.median("frames", suffix, threshold)
        taken = [Measured(self.comparison, each).median("frames", suffix, threshold) for each in rivals]
        least = min((found.value for found in taken if found is not None and found.value), default=None)
        return None if own is None or own.value is None or least is None else own.value / least


def _plans_by_rmax(setting: Setting) -> bool:
    config = setting.runs[0].config
    return config.get("agent.plugin") == "tabular" and config.get("agent.rule") == "rmax"


def _of_rmax(suffix: str, threshold: float) -> Column:
    return Column(
        f"frames_to_{suffix}_of_rmax", Kind.NUMBER, lambda row: row.of_rmax(suffix, threshold),
        f"frames to the normalised return {threshold:g}, as a multiple of those of agent=tabular agent.rule=rmax, "
        "where it was run on the task: both as finely as evaluations tell",
        title="x R-max", optional=True,
    )  # fmt: skip


def _count(suffix: str, threshold: float) -> Column:
    what = f"seeds that reached the normalised return {threshold:g}"
    return Column(f"n_reached_{suffix}", Kind.COUNT, lambda row: row.n_reached(threshold), what)


def _time(unit: str, suffix: str, threshold: float, *, highest: bool) -> Column:
    frames = unit == "frames"
    return Column(
        f"{unit}_to_{suffix}", Kind.TIME, lambda row: row.median(unit, suffix, threshold),
        f"{'training frames' if frames else 'processor time'} to the normalised return {threshold:g}: the first of two "
        "evaluations in a row that reach it; the median over seeds, those that never get there censored",
        title=f"frames to {suffix} %" if frames else f"CPU time to {suffix} %" if highest else "",
        unit="frames" if frames else "seconds", form=amount if frames else duration, better=LESS,
        reached=f"n_reached_{suffix}" if frames else "", brief=frames,
    )  # fmt: skip


def _searched(of: tuple[str, str, str]) -> Column:
    name, title, what = of
    return Column(
        name, Kind.COUNT, lambda row: row.searched(name), what, title=title, unit=name.rpartition("_")[2], form=amount,
        optional=True, brief=False,
    )  # fmt: skip


_NOTES = explained(
    "Frames and CPU time: median over seeds with unreached runs censored (Kaplan-Meier), and how many seeds got "
    "there. Area, success and return: interquartile mean over seeds; late: the mean of the last tenth of a run's "
    "evaluations. In brackets: 95 % bootstrap intervals."
)


def efficiency_table(thresholds: Mapping[str, float]) -> Table:
    """The table with a column for each threshold: column suffix -> normalised return, in rising order."""
    return Table(
        "sample_efficiency",
        "a row per environment and setting (one config, any seed)",
        (
            *setting_columns(),
            Column("n_diverged", Kind.COUNT, lambda row: row.setting.diverged(), "of these, runs that diverged"),
            Column("n_missing", Kind.COUNT, lambda row: len(row.setting.runs) - len(row.setting.outcomes),
                   "runs that failed, were interrupted or have not ended"),
            Column("budget", Kind.COUNT, lambda row: row.setting.budget, "the largest budget of a run", unit="frames"),
            *map(_searched, SEARCHED),
            *(_count(*each) for each in thresholds.items()),
            *(_time(unit, *each, highest=each == list(thresholds.items())[-1])
              for unit in ("frames", "cpu_seconds") for each in thresholds.items()),
            _of_rmax(*list(thresholds.items())[-1]),
            Column("auc_iqm", Kind.ESTIMATE, lambda row: row.middle("auc", lambda run: run.area(row.common_end)),
                   "area: mean height of the normalised learning curve from frame 0 to the smallest budget on the task",
                   title="area", better=MORE),
            Column("auc_return_iqm", Kind.ESTIMATE, lambda row: row.return_area(),
                   "area in the task's own return, where the optimum is not known: mean height of the learning curve "
                   "from the first evaluation that all runs have to the smallest budget on the task",
                   title="return area", better=MORE),
            Column("late_success_iqm", Kind.ESTIMATE, lambda row: row.middle("success", lambda run: run.late_success),
                   "share of successful episodes, mean over the last tenth of the evaluations", title="late success",
                   better=MORE),
            Column("late_return_iqm", Kind.ESTIMATE, lambda row: row.middle("return", lambda run: run.late_return),
                   "the task's own return, mean over the last tenth of the evaluations", title="late return",
                   better=MORE),
            Column("score_iqm", Kind.ESTIMATE, lambda row: row.middle("score", lambda run: run.run.training.score),
                   SCORE, title="score %", unit="%", better=MORE, optional=True),
            Column("late_normalised_iqm", Kind.ESTIMATE,
                   lambda row: row.middle("normalised", lambda run: run.late_normalised),
                   "late return between 0, a random policy, and 1, the optimum"),
            Column("late_human_iqm", Kind.ESTIMATE, lambda row: row.middle("human", lambda run: run.late_human),
                   "late return, of a game whose scores are published, between 0, random play, and 1, a human",
                   title="of a human", better=MORE, optional=True),
            Column("rooms_visited_iqm", Kind.ESTIMATE,
                   lambda row: row.middle("rooms", lambda run: run.late(run.run.evaluations.rooms_visited_mean)),
                   "rooms that a policy was in during an episode, where the environment tells, mean over the last "
                   "tenth of the evaluations", title="rooms", better=MORE, optional=True),
        ),
        names=2,
        group=("env", "assumes"),
        notes=_NOTES,
    )  # fmt: skip


SAMPLE_EFFICIENCY = efficiency_table(THRESHOLDS)


def sample_efficiency(comparison: Comparison) -> Filled:
    """Rows by environment; within it unequal assumptions stay apart, then the larger area comes first."""
    order = {env: place for place, env in enumerate(comparison.envs)}

    def rank(row: Row) -> tuple[object, ...]:
        height = row[height_of(row)]
        return (order[row["env"]], row.assumes, height is None, -(height or 0.0), row["setting"])

    return efficiency_table(comparison.thresholds).fill(
        (Measured(comparison, setting) for setting in comparison.settings if setting.outcomes), rank
    )


def height_of(row: Row) -> str:
    """The column by which rows of one environment are ranked: the area in returns where not all can be normalised."""
    return next((name for name in ("auc_return_iqm", "auc_iqm") if row[name] is not None), "late_return_iqm")
