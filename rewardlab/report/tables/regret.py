"""`regret`: what problems of many steps cost, and how many never come back to a best step, one row per setting."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rewardlab.report.comparison import Comparison
from rewardlab.report.outcomes import Outcome
from rewardlab.report.reading.plain import Table as Columns
from rewardlab.report.reading.regret import LOWER_BOUND
from rewardlab.report.setting import Setting
from rewardlab.report.statistics import Band, Estimate, FloatArray, estimate, generator, mean_over_tasks
from rewardlab.report.tables.columns import LESS, MORE, Column, Filled, Kind, Row, Table
from rewardlab.report.tables.labels import Counted, explained, setting_columns


@dataclass(frozen=True)
class Regretted(Counted):
    """A setting whose runs tell of every step whether it was a best one."""

    def mean(self, name: str, of_run: Callable[[Columns, Columns], float]) -> Estimate:
        """Over seeds of a number of each run."""
        values = np.array([of_run(outcome.run.replicates, outcome.run.within) for outcome in self.setting.outcomes])
        if not np.isfinite(values).all():
            return Estimate()
        return estimate([values], mean_over_tasks, generator(self.setting.setting_id, "regret", name))

    def replicates(self) -> int:
        return sum(outcome.run.replicates["regret"].size for outcome in self.setting.outcomes)


def tells(outcome: Outcome) -> bool:
    """Whether a run has such tables."""
    return bool(outcome.run.replicates and outcome.run.within)


def failing(replicates: Columns, steps: FloatArray) -> FloatArray:
    """Suffix failures: of each step, the share of replicates without a best one after it."""
    last = np.sort(replicates["last_best"])
    return np.asarray(np.searchsorted(last, steps, side="right") / last.size, dtype=np.float64)


def slope(within: Columns) -> float:
    """Of the logarithm of the mean regret against that of the step, over the second half of the steps: 0 where nothing
    is lost any more, 1 where each step costs the same. NaN where there are too few steps, or regret below 0.
    """
    step, regret = within["step"], within["regret_mean"]
    late = step >= step[-1] / 2
    if late.sum() < 3 or (regret[late] <= 0).any():
        return float("nan")
    return float(np.polyfit(np.log(step[late]), np.log(regret[late]), 1)[0])


def of_bound(replicates: Columns) -> float:
    """The mean regret as a multiple of the mean bound; NaN where no bound is known."""
    bound = replicates.get(LOWER_BOUND)
    if bound is None or not bound.sum() > 0:
        return float("nan")
    return float(replicates["regret"].mean() / bound.mean())


def regret_curves(comparison: Comparison, env: str) -> list[tuple[Setting, FloatArray, Band, Band]]:
    """Of each setting the steps, the mean regret up to there, and the share that fails from there on: means over seeds,
    with the least and the largest of them.
    """
    found = []
    for setting in comparison.of_env(env):
        if not setting.outcomes or not all(map(tells, setting.outcomes)):
            continue
        runs = [outcome.run for outcome in setting.outcomes]
        step = runs[0].within["step"]
        if any(not np.array_equal(run.within["step"], step) for run in runs):
            continue
        lost = np.array([run.within["regret_mean"] for run in runs])
        failed = np.array([failing(run.replicates, step) for run in runs])
        bands = [Band(each.mean(axis=0), each.min(axis=0), each.max(axis=0)) for each in (lost, failed)]
        found.append((setting, step, bands[0], bands[1]))
    return found


_NOTES = explained(
    "Problems of the last evaluation: means over them, then over seeds, in brackets 95 % bootstrap intervals. "
    "Suffix failure: share of problems without a best step in their second half. Of runs that do not learn, seeds "
    "differ in their own chance alone: all play the same problems."
)


def _half(replicates: Columns, within: Columns) -> float:
    return float((replicates["last_best"] <= replicates["length"] / 2).mean())


def _column(name: str, of_run: Callable[[Columns, Columns], float], means: str, title: str, better: int) -> Column:
    return Column(name, Kind.ESTIMATE, lambda row: row.mean(name, of_run), means, title=title, better=better)


def _share(name: str) -> Callable[[Columns, Columns], float]:
    return lambda replicates, within: float(replicates[name].mean())


REGRET = Table(
    "regret",
    "a row per environment and setting whose every step is known to be a best one or not",
    (
        *setting_columns(),
        Column("n_replicates", Kind.COUNT, lambda row: row.replicates(), "problems, of all seeds"),
        _column("regret", _share("regret"), "what a problem cost, mean over problems and seeds", "regret", LESS),
        Column("of_bound", Kind.ESTIMATE,
               lambda row: row.mean("of_bound", lambda replicates, within: of_bound(replicates)),
               "that regret as a multiple of Lai and Robbins' bound, the mean of ln T sum gap / KL over problems, "
               "which holds for many pulls and for rules that know nothing of how means are drawn",
               title="of bound", better=LESS, optional=True),
        _column("suffix_failure", _half, "share of problems without a best step in their second half",
                "suffix failure", LESS),
        _column("slope", lambda replicates, within: slope(within),
                "slope of log regret against log step over the second half: 1 where each step costs the same", "slope",
                LESS),
        _column("best_share", _share("best_share"), "share of steps that were best ones", "best", MORE),
        Column("greedy_share", Kind.ESTIMATE, lambda row: row.mean("greedy_share", _share("greedy_share")),
               "share of steps with the best mean so far of those tried", title="greedy"),
        Column("k_min_share", Kind.ESTIMATE, lambda row: row.mean("k_min_share", _share("k_min_share")),
               "share of steps of the least used action, times their number: 1 where all are used alike",
               title="K x least share"),
    ),
    names=2,
    group=("env", "assumes"),
    notes=_NOTES,
)  # fmt: skip


def regret(comparison: Comparison) -> Filled:
    """Rows by environment; within it unequal assumptions stay apart, then less regret comes first."""
    order = {env: place for place, env in enumerate(comparison.envs)}

    def rank(row: Row) -> tuple[object, ...]:
        return (order[row["env"]], row.assumes, row["regret"] or 0.0, row["setting"])

    settings = (each for each in comparison.settings if each.outcomes and all(map(tells, each.outcomes)))
    return REGRET.fill((Regretted(comparison, setting) for setting in settings), rank)
