"""All that a report shows of one comparison, each part computed when it is first asked for."""

from functools import cached_property

from rewardlab.report.baselines import choose_baselines
from rewardlab.report.comparison import Comparison
from rewardlab.report.tables.aggregate import Aggregate, aggregate
from rewardlab.report.tables.columns import Filled
from rewardlab.report.tables.coverage import coverage
from rewardlab.report.tables.curves import (
    Curve,
    curves_of,
    diversity_curves_of,
    going_curves_of,
    training_curves_of,
)
from rewardlab.report.tables.differences import differences
from rewardlab.report.tables.diversity import diversity
from rewardlab.report.tables.efficiency import sample_efficiency
from rewardlab.report.tables.regret import regret
from rewardlab.report.tables.suite import suite


class Numbers:
    """Tables and curves over one comparison; `baseline` and `paired` as in `Options`.

    Raises:
        UserError: there is no such baseline.
    """

    def __init__(self, comparison: Comparison, baseline: str | None = None, *, paired: bool = False) -> None:
        self.comparison = comparison
        self._baselines = choose_baselines(comparison, baseline)
        self._paired = paired
        self._curves: dict[str, list[Curve]] = {}
        self._training: dict[str, list[Curve]] = {}

    @cached_property
    def efficiency(self) -> Filled:
        return sample_efficiency(self.comparison)

    @cached_property
    def aggregated(self) -> Aggregate:
        return aggregate(self.comparison, self._baselines)

    @cached_property
    def differences(self) -> Filled:
        return differences(self.comparison, self.aggregated, self._baselines, paired=self._paired)

    @cached_property
    def diversity(self) -> Filled:
        """Of populations alone: without rows where there are none."""
        return diversity(self.comparison)

    @cached_property
    def suite(self) -> Filled:
        """Of runs that played held-out levels by name: without rows where none did."""
        return suite(self.comparison)

    @cached_property
    def regret(self) -> Filled:
        """Of runs that know of every step whether it was a best one: without rows where none does."""
        return regret(self.comparison)

    @cached_property
    def diversity_curves(self) -> dict[str, list[Curve]]:
        """Coverage and QD score against individuals that lived, of the environments that have some."""
        found = {env: diversity_curves_of(self.comparison, env) for env in self.comparison.envs}
        return {env: curves for env, curves in found.items() if curves}

    @cached_property
    def coverage(self) -> Filled:
        """Where nothing is ever paid: without rows elsewhere."""
        return coverage(self.comparison)

    @property
    def tables(self) -> tuple[Filled, ...]:
        """The tables for readers."""
        found = (self.efficiency, self.aggregated.filled, self.differences)
        return (*found, *(each for each in (self.regret, self.diversity, self.suite, self.coverage) if len(each)))

    @property
    def curves(self) -> dict[str, list[Curve]]:
        """Learning curves by environment."""
        return {env: self.curves_in(env) for env in self.comparison.envs}

    def curves_in(self, env: str) -> list[Curve]:
        """Learning curves of one environment."""
        if env not in self._curves:
            self._curves[env] = curves_of(self.comparison, env)
        return self._curves[env]

    @cached_property
    def going(self) -> dict[str, list[Curve]]:
        """Curves of runs that still go, by environment: for figures alone."""
        return {env: going_curves_of(self.comparison, env) for env in self.comparison.envs}

    @property
    def curve_rows(self) -> list[Curve]:
        """Learning curves of all environments, each without the points at which it has nothing."""
        return [curve.covered for curves in self.curves.values() for curve in curves]

    @property
    def training(self) -> dict[str, list[Curve]]:
        """Curves of bonuses and of exploration by environment."""
        return {env: self.training_in(env) for env in self.comparison.envs}

    def training_in(self, env: str) -> list[Curve]:
        """Curves of bonuses and of exploration of one environment."""
        if env not in self._training:
            self._training[env] = training_curves_of(self.comparison, env)
        return self._training[env]
