"""`suite`: how policies do on held-out levels by name, one row per setting and level."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rewardlab.records.summary import late_evaluations
from rewardlab.report.comparison import Comparison
from rewardlab.report.outcomes import Outcome
from rewardlab.report.reading.suite import late, levels
from rewardlab.report.statistics import Estimate, estimate, generator, mean_over_tasks
from rewardlab.report.tables.columns import LESS, MORE, Column, Filled, Kind, Row, Table
from rewardlab.report.tables.labels import Counted, explained, setting_columns


@dataclass(frozen=True)
class OnLevel(Counted):
    """A setting on one level."""

    level: str
    place: int  # of the level among those of the suite

    def mean(self, column: str) -> Estimate:
        """Over seeds, of the late evaluations of each."""
        values = np.array([_late(outcome, self.level, column) for outcome in self.setting.outcomes])
        names = (self.setting.setting_id, "suite", self.level, column)
        return estimate([values], mean_over_tasks, generator(*names)) if np.isfinite(values).all() else Estimate()

    def known(self, column: str) -> float:
        """What is the same for all policies."""
        return _late(self.setting.outcomes[0], self.level, column)


def _late(outcome: Outcome, level: str, column: str) -> float:
    suite = outcome.run.suite
    return late(suite, level, column, late_evaluations(suite["frames"].size)) if suite else float("nan")


def _rows(comparison: Comparison) -> Iterator[OnLevel]:
    for setting in comparison.settings:
        if setting.outcomes and all(outcome.run.suite for outcome in setting.outcomes):
            for place, level in enumerate(levels(setting.outcomes[0].run.suite)):
                yield OnLevel(comparison, setting, level, place)


_NOTES = explained(
    "Levels that nobody trained on: means over the last tenth of the evaluations, then over seeds, in brackets "
    "95 % bootstrap intervals. Optimum: the best return there is, exactly. Oracle regret: the optimum less the "
    "return. Walk: fewest steps between cells, turns not counted."
)


SUITE = Table(
    "suite",
    "a row per environment, held-out level and setting",
    (
        *setting_columns(),
        Column("level", Kind.TEXT, lambda row: row.level, "name of the held-out level", title="level", leads=True),
        Column("success", Kind.ESTIMATE, lambda row: row.mean("success_rate"),
               "share of solved episodes, mean over seeds of the last tenth of the evaluations", title="success",
               better=MORE),
        Column("return", Kind.ESTIMATE, lambda row: row.mean("return_mean"), "mean return, likewise", title="return",
               better=MORE),
        Column("optimum", Kind.NUMBER, lambda row: row.known("optimal_return"), "the best return there is",
               title="optimum"),
        Column("regret", Kind.ESTIMATE, lambda row: row.mean("regret"), "optimum less return (oracle regret)",
               title="oracle regret", better=LESS),
        Column("walk", Kind.NUMBER, lambda row: row.known("walk"),
               "fewest steps between cells to success, turns not counted", title="walk", unit="steps"),
        Column("length", Kind.ESTIMATE, lambda row: row.mean("length_mean"), "mean length of an episode",
               title="length", unit="steps"),
    ),
    names=3,
    group=("env", "level", "assumes"),
    notes=_NOTES,
)  # fmt: skip


def suite(comparison: Comparison) -> Filled:
    """Rows by environment and level; within it unequal assumptions stay apart, then more success comes first."""
    order = {env: place for place, env in enumerate(comparison.envs)}

    def rank(row: Row) -> tuple[object, ...]:
        return (order[row["env"]], row.source.place, row.assumes, -(row["success"] or 0.0), row["setting"])

    return SUITE.fill(_rows(comparison), rank)
