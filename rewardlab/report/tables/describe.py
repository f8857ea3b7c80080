"""The columns of the tables in words, for results/README.md: `python -m rewardlab.report.tables.describe` renews it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rewardlab.report.tables.aggregate import AGGREGATE
from rewardlab.report.tables.columns import Kind, Table
from rewardlab.report.tables.coverage import COVERAGE
from rewardlab.report.tables.curves import AGGREGATE_CURVES, CURVES
from rewardlab.report.tables.differences import DIFFERENCES
from rewardlab.report.tables.diversity import DIVERSITY
from rewardlab.report.tables.efficiency import SAMPLE_EFFICIENCY
from rewardlab.report.tables.regret import REGRET
from rewardlab.report.tables.runs import EVALUATIONS, RUNS
from rewardlab.report.tables.suite import SUITE

TABLES = (
    SAMPLE_EFFICIENCY, AGGREGATE, DIFFERENCES, REGRET, DIVERSITY, SUITE, COVERAGE, RUNS, EVALUATIONS, CURVES,
    AGGREGATE_CURVES,
)  # fmt: skip
BEGIN, END = "<!-- columns: made by `python -m rewardlab.report.tables.describe` -->", "<!-- columns: end -->"
_ENDINGS = {Kind.ESTIMATE: "`_low` `_high`", Kind.CHANGE: "`_low` `_high`", Kind.TIME: "`_low` `_high` `_censored`"}


def described(table: Table) -> str:
    """One table in words, as Markdown."""
    lines = [f"### `{table.name}.csv`", "", f"{table.title[0].upper()}{table.title[1:]}.", ""]
    lines += ["| column | meaning | unit |", "|---|---|---|"]
    for column in table.columns:
        if column.written:
            endings = _ENDINGS.get(column.kind, "")
            lines.append(f"| `{column.name}` {endings}".rstrip() + f" | {column.definition} | {column.unit} |")
    return "\n".join(lines)


def with_columns(text: str, tables: Sequence[Table] = TABLES) -> str:
    """A document with its descriptions of columns renewed.

    Args:
        text: the document; they stand between the lines BEGIN and END.
        tables: what is described.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n\n".join([before + BEGIN, *map(described, tables), END + after])


def main(path: str = "results/README.md") -> None:
    document = Path(path)
    document.write_text(with_columns(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
