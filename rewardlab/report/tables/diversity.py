"""`diversity`: what populations came to, one row per setting, medians over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.report.comparison import Comparison
from rewardlab.report.numbers import amount
from rewardlab.report.outcomes import Outcome
from rewardlab.report.statistics import Estimate, FloatArray, estimate, generator, kaplan_meier_estimate
from rewardlab.report.tables.columns import LESS, MORE, Column, Filled, Kind, Row, Table
from rewardlab.report.tables.labels import Counted, explained, setting_columns


@dataclass(frozen=True)
class Population(Counted):
    """A setting of populations."""

    def totals(self, name: str) -> FloatArray:
        """Of every run at its end, [n]."""
        return np.array([outcome.run.training.total(name) for outcome in self.setting.outcomes])

    def median(self, name: str) -> Estimate | None:
        values = self.totals(name)
        if not np.isfinite(values).all():
            return None
        return estimate([values], _median, generator(self.setting.setting_id, "diversity", name))

    def first(self, unit: str) -> Estimate:
        """Until the first reward, in evaluations or frames; runs that got none are censored at their end."""
        times = self.totals(f"{unit}_to_reward")
        reached = np.isfinite(times)
        ends = self.totals("evaluations") if unit == "evaluations" else self._frames()
        rng = generator(self.setting.setting_id, "diversity", unit)
        return kaplan_meier_estimate(np.where(reached, times, ends), reached, rng)

    def rewarded(self) -> int:
        return int(np.isfinite(self.totals("evaluations_to_reward")).sum())

    def _frames(self) -> FloatArray:
        return np.array([float(outcome.run.frames) for outcome in self.setting.outcomes])


def has_population(outcome: Outcome) -> bool:
    """Whether a run was of a population, and got beyond its first generation."""
    return bool(np.isfinite(outcome.run.training.total("evaluations")))


def _median(tasks: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(np.median(np.concatenate(list(tasks), axis=-1), axis=-1))


_NOTES = explained(
    "Medians over seeds, in brackets 95 % bootstrap intervals. Coverage: share of 50 x 50 cells of places in which "
    "an individual ended its life. QD score: the sum over these cells of the best return above the lowest possible "
    "one. First reward: individuals and frames until a life is paid more than nothing, seeds without one censored."
)


DIVERSITY = Table(
    "diversity",
    "a row per environment and setting of populations",
    (
        *setting_columns(),
        Column("evaluations", Kind.ESTIMATE, lambda row: row.median("evaluations"),
               "individuals that lived, median over seeds", title="evaluations", unit="individuals", form=amount),
        Column("coverage", Kind.ESTIMATE, lambda row: row.median("coverage"),
               "share of 50 x 50 cells of places in which an individual ended its life, median over seeds",
               title="coverage", better=MORE),
        Column("qd_score", Kind.ESTIMATE, lambda row: row.median("qd_score"),
               "sum over these cells of the best return above the lowest possible one, median over seeds; empty where "
               "the lowest is not known", title="QD score", better=MORE),
        Column("n_rewarded", Kind.COUNT, lambda row: row.rewarded(),
               "seeds in which a life was paid more than nothing"),
        Column("evaluations_to_reward", Kind.TIME, lambda row: row.first("evaluations"),
               "individuals until the first life that was paid more than nothing, that one included: median over "
               "seeds, those without one censored", title="evaluations to first reward", unit="individuals",
               form=amount, better=LESS, reached="n_rewarded"),
        Column("frames_to_reward", Kind.TIME, lambda row: row.first("frames"), "training frames until then",
               title="frames to first reward", unit="frames", form=amount, better=LESS, reached="n_rewarded"),
    ),
    names=2,
    group=("env", "assumes"),
    notes=_NOTES,
)  # fmt: skip


def diversity(comparison: Comparison) -> Filled:
    """Rows by environment; within it unequal assumptions stay apart, then the larger coverage comes first."""
    order = {env: place for place, env in enumerate(comparison.envs)}

    def rank(row: Row) -> tuple[object, ...]:
        return (order[row["env"]], row.assumes, -(row["coverage"] or 0.0), row["setting"])

    settings = (each for each in comparison.settings if each.outcomes and all(map(has_population, each.outcomes)))
    return DIVERSITY.fill((Population(comparison, setting) for setting in settings), rank)
