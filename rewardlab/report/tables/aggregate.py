"""`aggregate`: methods over all environments that they share, and who is ahead of whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rewardlab.report import statistics
from rewardlab.report.comparison import Comparison
from rewardlab.report.names import Method
from rewardlab.report.setting import Setting
from rewardlab.report.statistics import Band, Estimate, FloatArray, Statistic, estimate, generator
from rewardlab.report.tables.columns import LESS, MORE, Column, Filled, Kind, Row, Table
from rewardlab.report.tables.labels import assumed, covered, label_columns

NO_OPTIMUM = "its optimum is not known, so returns cannot be normalised: see --scale"
SHARES = np.linspace(0.0, 1.0, 61)  # of each environment's common budget
PROFILE_GRID = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Pooled:
    """One method over the shared environments: what a row of the table stands for."""

    comparison: Comparison
    method: Method
    envs: tuple[str, ...]
    settings: tuple[Setting, ...]  # its setting in each environment
    rival: "Pooled | None" = None  # what it is compared with, if that is here

    @property
    def name(self) -> str:
        return self.comparison.name(self.method)

    @cached_property
    def assumes(self) -> tuple[str, ...]:
        return tuple(sorted({item for setting in self.settings for item in setting.assumes}))

    @cached_property
    def scores(self) -> list[FloatArray]:
        """Late normalised returns, one array per environment."""
        return [np.array([o.late_normalised for o in s.outcomes], dtype=np.float64) for s in self.settings]

    @cached_property
    def areas(self) -> list[FloatArray]:
        """Areas under the normalised learning curves, one array per environment."""
        ends = [self.comparison.common_end(env) for env in self.envs]
        return [
            np.array([outcome.area(end) or 0.0 for outcome in setting.outcomes])
            for end, setting in zip(ends, self.settings, strict=True)
        ]

    @cached_property
    def frames(self) -> FloatArray | None:
        """`SHARES` in frames, [G], where every environment has one and the same budget."""
        ends = {self.comparison.common_end(env) for env in self.envs}
        return SHARES * ends.pop() if len(ends) == 1 else None

    @cached_property
    def curve(self) -> Band:
        """Normalised return over the pooled runs of all environments at `SHARES`."""
        ends = [self.comparison.common_end(env) for env in self.envs]
        tables = [
            np.stack([np.interp(SHARES * end, *run.curve) for run in setting.outcomes if run.curve is not None])
            for end, setting in zip(ends, self.settings, strict=True)
        ]
        return statistics.pooled_band(tables, generator(self.name, "shared curve"))

    @cached_property
    def profile(self) -> Band:
        """Performance profile over `PROFILE_GRID`, with its stratified-bootstrap band."""
        middle = statistics.performance_profile(self.scores, PROFILE_GRID)
        if max(score.size for score in self.scores) < 2:
            empty = np.full_like(middle, np.nan)
            return Band(middle, empty, empty)
        resamples = statistics.resample(self.scores, generator(self.name, "profile"), 500)
        return Band(middle, *statistics.interval(statistics.performance_profile(resamples, PROFILE_GRID)))

    def estimate(self, what: str, statistic: Statistic, values: Sequence[FloatArray] | None = None) -> Estimate:
        """A statistic of the late scores, or of other values, with its stratified-bootstrap interval."""
        return estimate(self.scores if values is None else values, statistic, generator(self.name, what))

    def improvement(self) -> Estimate | None:
        """How likely a run ends higher than one of the rival on the same task."""
        if self.rival is None:
            return None
        rng = generator(self.name, "improvement")
        return statistics.bootstrap((self.scores, self.rival.scores), statistics.probability_of_improvement, rng)


def _notes(filled: Filled) -> list[str]:
    envs = ", ".join(filled.sources[0].envs) if filled.sources else ""
    first = (
        f"Over the environments that every scheme finished ({envs}). Scores are normalised: "
        "0 is a random policy, 1 an optimal one. In brackets: 95 % stratified-bootstrap intervals."
    )
    baselines = sorted({row["baseline"] for row in filled if row["baseline"]})
    return [
        first + covered(min((row["n_seeds"] for row in filled), default=0)),
        *([f"Baseline: {', '.join(baselines)}."] if baselines else []),
        *assumed(filled.sources),
    ]


AGGREGATE = Table(
    "aggregate",
    "a row per scheme over the environments that all share",
    (
        Column("method", Kind.METHOD, lambda row: row.name, title="scheme", written=False, leads=True),
        *label_columns(lambda row: row.method),
        Column("assumes", Kind.TEXT, lambda row: " ".join(row.assumes), "what the scheme uses that others do not"),
        Column("n_envs", Kind.COUNT, lambda row: len(row.envs), "environments that all rows share"),
        Column("n_runs", Kind.COUNT, lambda row: sum(score.size for score in row.scores), "runs over all of them",
               title="runs", leads=True),
        Column("n_seeds", Kind.COUNT, lambda row: min(score.size for score in row.scores),
               "the smallest number of seeds in any of them"),
        Column("iqm", Kind.ESTIMATE, lambda row: row.estimate("iqm", statistics.pooled_interquartile_mean),
               "interquartile mean of the late normalised returns", title="IQM", better=MORE),
        Column("median", Kind.ESTIMATE, lambda row: row.estimate("median", statistics.median_over_tasks),
               "median over environments of their mean late normalised return", title="median", better=MORE),
        Column("mean", Kind.ESTIMATE, lambda row: row.estimate("mean", statistics.mean_over_tasks),
               "mean over environments of the same", title="mean", better=MORE),
        Column("optimality_gap", Kind.ESTIMATE, lambda row: row.estimate("gap", statistics.optimality_gap),
               "how far runs stay below the optimum on average", title="optimality gap", better=LESS),
        Column("auc_iqm", Kind.ESTIMATE,
               lambda row: row.estimate("auc", statistics.pooled_interquartile_mean, row.areas),
               "area under the normalised learning curves", title="area", better=MORE, leads=True),
        Column("baseline", Kind.TEXT, lambda row: row.rival.name if row.rival else "",
               "what the scheme is compared with; empty for the baseline itself"),
        Column("probability_of_improvement", Kind.ESTIMATE, lambda row: row.improvement(),
               "how likely a run ends higher than one of the baseline on the same task (Mann-Whitney)",
               title="P(better than baseline)"),
    ),
    group=("assumes",),
    notes=_notes,
)  # fmt: skip


@dataclass(frozen=True)
class Aggregate:
    """The table, and what it is made over."""

    filled: Filled
    envs: list[str]  # environments that all rows share
    left_out: dict[str, str]  # other environments -> why they don't count

    @cached_property
    def rows(self) -> list[Row]:
        return list(self.filled)

    def groups(self) -> dict[tuple[str, ...], list[Row]]:
        """Rows by what they assume, fewest assumptions first: only within a group are they ranked."""
        keys = sorted({row.assumes for row in self.rows}, key=lambda key: (len(key), key))
        return {key: [row for row in self.rows if row.assumes == key] for key in keys}


def aggregate(comparison: Comparison, baselines: Mapping[Method, Method]) -> Aggregate:
    """Aggregates every scheme with counted runs over the environments that all of them share."""
    methods = {setting.method for setting in comparison.settings if setting.outcomes}
    table = {method: {env: comparison.find(method, env) for env in comparison.envs} for method in comparison.methods
             if method in methods}  # fmt: skip
    envs: list[str] = []
    left_out: dict[str, str] = {}
    for env in comparison.envs:
        absent = [comparison.name(method) for method, settings in table.items() if settings[env] is None]
        outcomes = [outcome for settings in table.values() if (s := settings[env]) for outcome in s.outcomes]
        if not outcomes:
            left_out[env] = "no finished run"
        elif any(outcome.normalised is None for outcome in outcomes):
            left_out[env] = NO_OPTIMUM
        elif absent:
            left_out[env] = f"no finished run of {', '.join(absent)}"
        else:
            envs.append(env)
    pools = {
        method: Pooled(comparison, method, tuple(envs), tuple(s for env in envs if (s := settings[env])))
        for method, settings in (table if envs else {}).items()
    }
    sources = [
        replace(pool, rival=pools.get(baselines[method]) if method in baselines else None)
        for method, pool in pools.items()
    ]

    def rank(row: Row) -> tuple[object, ...]:
        assumes = row.assumes
        return (len(assumes), assumes, -(row["auc_iqm"] or 0.0), row["method"])

    return Aggregate(AGGREGATE.fill(sources, rank), envs, left_out)


def lead(first: Row, second: Row, what: str = "areas") -> float:
    """Share of stratified-bootstrap resamples in which one row's interquartile mean is above another's, ties half.

    It is of "areas" (learns faster) or "scores" (ends higher).
    """
    rng = generator("lead", what, first["method"], second["method"])
    a, b = (
        statistics.pooled_interquartile_mean(statistics.resample(getattr(row.source, what), rng))
        for row in (first, second)
    )
    return float(np.mean((a > b) + 0.5 * (a == b)))
