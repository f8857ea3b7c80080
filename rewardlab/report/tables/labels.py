"""What many tables share: the columns that name a row, and sentences below."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rewardlab.report.comparison import Comparison
from rewardlab.report.names import Method
from rewardlab.report.numbers import share_range
from rewardlab.report.setting import Setting
from rewardlab.report.statistics import coverage
from rewardlab.report.tables.columns import Column, Filled, Kind

SCORE = (
    "Crafter's score: the geometric mean of the shares of all training episodes that unlock each achievement, each up "
    "by 1 %; where achievements are unlocked"
)

SEARCHED = (  # name, heading, what it means
    ("search_frames", "search frames", "of a reward that was written in rounds: training frames of all candidates"),
    (
        "model_calls",
        "calls",
        "answers of the language model, or of what stands for one, while a reward was written and"
        " by a judge while the run trained; of several runs the most",
    ),
    ("model_tokens", "tokens", "tokens of these prompts and answers; 0 where nobody counted them"),
)


@dataclass(frozen=True)
class Counted:
    """A setting with counted runs: what a row of a table stands for."""

    comparison: Comparison
    setting: Setting

    @property
    def name(self) -> str:
        return self.comparison.setting_name(self.setting)

    @property
    def assumes(self) -> tuple[str, ...]:
        return self.setting.assumes


def setting_columns() -> tuple[Column, ...]:
    """The first columns of a table with a row for each `Counted`."""
    return (
        Column("env", Kind.TEXT, lambda row: row.setting.env, "label of the environment", title="environment"),
        Column("setting", Kind.METHOD, lambda row: row.name, title="scheme", written=False),
        Column("method", Kind.TEXT, lambda row: row.comparison.name(row.setting.method), written=False),
        *label_columns(lambda row: row.setting.method, agent=lambda row: row.comparison.agent_name(row.setting)),
        setting_id_column(lambda row: row.setting.setting_id),
        Column("assumes", Kind.TEXT, lambda row: " ".join(row.assumes), "what the scheme uses that others do not"),
        Column("n_seeds", Kind.COUNT, lambda row: len(row.setting.outcomes), "runs that count", title="seeds"),
    )


def label_columns(method: Callable[[Any], Method], *, agent: Callable[[Any], str] | None = None) -> tuple[Column, ...]:
    """The columns that tell methods apart, of what a row stands for.

    Args:
        agent: names of agents that tell settings apart, instead of the agent's label and a column with the variant.
    """
    told = {
        "folder": "label of the results folder; only where several are compared",
        "reward": "label of the reward scheme",
        "agent": "label of the agent",
        "curriculum": "label of the curriculum",
        "variant": "options that tell apart what has equal labels",
    }

    def column(name: str) -> Column:
        return Column(name, Kind.TEXT, lambda row: getattr(method(row), name), told[name], optional=name == "folder")

    if agent is None:
        return tuple(column(name) for name in told)
    named = Column("agent", Kind.TEXT, agent, "label of the agent, and what tells apart settings that share it")
    return tuple(named if name == "agent" else column(name) for name in told if name != "variant")


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


def explained(first: str) -> Callable[[Filled], list[str]]:
    """The notes of a table whose rows are settings: what its numbers are, what 95 % means with the fewest seeds of a
    row, and which rows assume more.
    """

    def notes(filled: Filled) -> list[str]:
        seeds = min((len(source.setting.outcomes) for source in filled.sources), default=0)
        return [first + covered(seeds), *assumed(filled.sources)]

    return notes
