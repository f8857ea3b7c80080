"""`coverage`: how far policies got in environments in which nothing was ever paid, one row per setting."""

import numpy as np

from rewardlab.report.comparison import Comparison
from rewardlab.report.reading.training import COVERED
from rewardlab.report.statistics import Estimate, estimate, generator, pooled_interquartile_mean
from rewardlab.report.tables.columns import MORE, Column, Filled, Kind, Row, Table
from rewardlab.report.tables.labels import Counted, explained, setting_columns

_TOLD = {
    "cells_visited": "distinct cells that the agent stood on in an episode",
    "rooms_visited": "rooms that it was in, where the environment tells",
    "rooms_silenced": "rooms in which it put an end to noise, likewise",
}


class Covered(Counted):
    """A setting in an environment that pays nothing."""

    def middle(self, name: str) -> Estimate | None:
        """Interquartile mean over seeds of the late evaluations; None if a run does not tell."""
        column = COVERED[name]
        values = np.array([run.late(getattr(run.run.evaluations, column)) for run in self.setting.outcomes])
        if not np.isfinite(values).all():
            return None
        return estimate([values], pooled_interquartile_mean, generator(self.setting.setting_id, "coverage", name))


def pays_nothing(comparison: Comparison, env: str) -> bool:
    """Whether no evaluation in an environment was paid anything, and nobody knows what could be."""
    outcomes = [outcome for setting in comparison.of_env(env) for outcome in setting.outcomes]
    unpaid = all(not outcome.returns.any() and outcome.normalised is None for outcome in outcomes)
    return bool(outcomes) and unpaid


def _column(name: str, definition: str) -> Column:
    return Column(
        f"{name}_iqm", Kind.ESTIMATE, lambda row: row.middle(name),
        f"{definition}, mean over the last tenth of the evaluations", title=name.replace("_", " "), better=MORE,
    )  # fmt: skip


_NOTES = explained(
    "Where nothing is paid: what evaluations tell of an episode, mean of the last tenth of a run's evaluations, "
    "interquartile mean over seeds, in brackets 95 % bootstrap intervals."
)


COVERAGE = Table(
    "coverage",
    "a row per environment and setting where nothing was ever paid",
    (*setting_columns(), *(_column(*told) for told in _TOLD.items())),
    names=2,
    group=("env", "assumes"),
    notes=_NOTES,
)


def coverage(comparison: Comparison) -> Filled:
    """Rows by environment; within it unequal assumptions stay apart, then more rooms or else cells come first."""
    order = {env: place for place, env in enumerate(comparison.envs)}

    def rank(row: Row) -> tuple[object, ...]:
        most = [-(row[f"{name}_iqm"] or 0.0) for name in ("rooms_visited", "cells_visited")]
        return (order[row["env"]], row.assumes, *most, row["setting"])

    there = {env for env in comparison.envs if pays_nothing(comparison, env)}
    settings = (each for each in comparison.settings if each.outcomes and each.env in there)
    told = (Covered(comparison, setting) for setting in settings)
    return COVERAGE.fill((each for each in told if any(each.middle(name) for name in COVERED)), rank)
