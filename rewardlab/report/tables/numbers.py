"""All that the tables for readers show, computed."""

from dataclasses import dataclass

from rewardlab.report.baselines import choose_baselines
from rewardlab.report.comparison import Comparison
from rewardlab.report.tables.aggregate import Aggregate, aggregate
from rewardlab.report.tables.columns import Filled
from rewardlab.report.tables.differences import differences
from rewardlab.report.tables.efficiency import sample_efficiency


@dataclass(frozen=True)
class Numbers:
    """The tables over one comparison."""

    efficiency: Filled
    aggregated: Aggregate
    differences: Filled

    @property
    def tables(self) -> tuple[Filled, ...]:
        return self.efficiency, self.aggregated.filled, self.differences


def compute(comparison: Comparison, baseline: str | None = None, *, paired: bool = False) -> Numbers:
    """Computes them.

    Args:
        comparison: all runs.
        baseline: what methods are compared with, see `baselines.choose_baselines`.
        paired: whether differences are taken between runs of equal seed.
    """
    baselines = choose_baselines(comparison, baseline)
    aggregated = aggregate(comparison, baselines)
    against = differences(comparison, aggregated, baselines, paired=paired)
    return Numbers(sample_efficiency(comparison), aggregated, against)
