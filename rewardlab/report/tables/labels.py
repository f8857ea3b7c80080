"""What many tables share: the columns that name a row, and sentences below."""

from collections.abc import Callable, Sequence
from typing import Any

from rewardlab.report.comparison import Method
from rewardlab.report.numbers import share_range
from rewardlab.report.statistics import coverage
from rewardlab.report.tables.columns import Column, Kind


def label_columns(method: Callable[[Any], Method], *, variant: bool = True) -> tuple[Column, ...]:
    """The columns that tell methods apart.

    Args:
        method: what a row stands for -> its method.
        variant: with the column `variant`.
    """
    found = (
        Column("folder", Kind.TEXT, lambda source: method(source).folder,
               "label of the results folder; only where several are compared", optional=True),
        Column("reward", Kind.TEXT, lambda source: method(source).reward, "label of the reward scheme"),
        Column("agent", Kind.TEXT, lambda source: method(source).agent, "label of the agent"),
        Column("curriculum", Kind.TEXT, lambda source: method(source).curriculum, "label of the curriculum"),
        Column("variant", Kind.TEXT, lambda source: method(source).variant,
               "options that tell apart what has equal labels"),
    )  # fmt: skip
    return found if variant else found[:-1]


def setting_id_column(of: Callable[[Any], str]) -> Column:
    return Column("setting_id", Kind.TEXT, of, "digest of the resolved config without its seed")


def covered(seeds: int) -> str:
    """What 95 % means with few seeds."""
    if not 2 <= seeds < 10:
        return ""
    share = share_range(coverage(seeds))
    return f" With {seeds} seeds they hold the true value in {share} of simulated studies of one environment."


def assumed(sources: Sequence[Any]) -> list[str]:
    """Which rows assume more than others, as a sentence; none if no row does."""
    told = sorted({f"{source.name}: {', '.join(source.assumes)}" for source in sources if source.assumes})
    return ["† assumes more than the others and is ranked apart: " + "; ".join(told) + "."] if told else []
