"""Tables as files: csv, Markdown, LaTeX, and aligned columns for a terminal."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, islice, repeat
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader

from rewardlab.report.numbers import amount, with_interval
from rewardlab.report.statistics import Estimate
from rewardlab.report.tables.columns import NONE, Column, Filled, Kind, Row, Table

BEST, TIE = "best", "tie"
_MARKED = "Bold: the best value of its kind; ≈: a tie, the value of one lies within the interval of the other."
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "†": r"$\dagger$", "·": r"$\cdot$", "–": "--",
    "<": r"\textless{}", ">": r"\textgreater{}", "∞": r"$\infty$", "…": r"\dots{}", "≈": r"$\approx$",
    "−": r"$-$",
}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A table for reading."""

    header: tuple[str, ...]  # names of the columns
    rows: list[tuple[str, ...]]  # cells, each row as long as the header
    notes: tuple[str, ...] = ()  # sentences below
    marks: tuple[tuple[str, ...], ...] = ()  # BEST, TIE or nothing for each cell; empty where the table has none
    names: int = 1  # how many columns at the left are names; the rest are numbers

    def mark(self, row: int, column: int) -> str:
        return self.marks[row][column] if self.marks else ""


def reading(filled: Filled, *, brief: bool = False) -> Text:
    """A table as readers see it; `brief` leaves out what a terminal has no room for."""
    columns = [column for column in filled.shown if column.brief or not brief]
    rows = list(filled)
    marks = list(zip(*(mark(rows, column, filled.table.group) for column in columns), strict=True))
    ranked = any(column.better for column in columns) and any(any(row) for row in marks)
    first, *rest = filled.table.notes(filled) or [""]
    notes = [first, *([_MARKED] if ranked else []), *rest]
    body = [tuple(cell(row, column) for column in columns) for row in rows]
    header = tuple(column.title for column in columns)
    return Text(header, body, tuple(notes), tuple(marks), filled.table.names)


def cell(row: Row, column: Column) -> str:
    """What readers see of one cell."""
    value = row[column.name]
    if column.reached:
        if (n_reached := row[column.reached]) is None:
            return ""
        shown = with_interval(row.estimate(column.name), amount) or "not reached"
        return f"{shown} ({n_reached}/{row['n_seeds']})"
    if column.kind in (Kind.TIME, Kind.ESTIMATE, Kind.CHANGE):
        return with_interval(row.estimate(column.name), column.form)
    if column.kind is Kind.NUMBER and value is not None:
        return column.form(value)
    dagger = " †" if column.kind is Kind.METHOD and row.assumes else ""
    return f"{column.blank if value in (None, '') else value}{dagger}"


def mark(rows: list[Row], column: Column, group: tuple[str, ...]) -> list[str]:
    """Marks the best of a column among the rows of a group, and what ties with it; or changes that are none of zero."""
    marks = [""] * len(rows)
    if column.kind is Kind.CHANGE:
        ends = [(row[f"{column.name}_low"] or 0.0) * (row[f"{column.name}_high"] or 0.0) for row in rows]
        return [BEST if product > 0 else "" for product in ends]
    if column.better is NONE:
        return marks
    groups = defaultdict(list)
    for place, row in enumerate(rows):
        groups[tuple(row[name] for name in group)].append(place)
    for members in groups.values():
        estimates = {place: rows[place].estimate(column.name) for place in members}
        values = {place: column.better * each.value for place, each in estimates.items() if each.value is not None}
        if len(members) < 2 or not values:
            continue
        first = max(values, key=lambda place: values[place])
        for place in values:
            marks[place] = BEST if place == first else TIE if _tied(estimates[place], estimates[first]) else ""
    return marks


def _tied(one: Estimate, other: Estimate) -> bool:
    """Whether the value of one lies within the interval of the other; an interval without an upper end is open."""

    def inside(value: float, estimate: Estimate) -> bool:
        if estimate.low is None:
            return value == estimate.value
        return estimate.low <= value <= (np.inf if estimate.high is None else estimate.high)

    assert one.value is not None and other.value is not None
    return inside(one.value, other) or inside(other.value, one)


def to_csv(frame: pd.DataFrame) -> str:
    """CSV with a header; floats by `repr`, truth values as true and false, empty cells for what is not there."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*(_cells(frame[name]) for name in frame.columns), strict=True))
    return buffer.getvalue()


def long_csv(
    table: Table, sources: Iterable[Any], ready: Callable[[Any], Mapping[str, list[str]]] = lambda source: {}
) -> Iterator[str]:
    """The csv file of a long table, source by source: that of its DataFrame, in a part of the time and room.

    `ready` gives cells of columns that need not be computed and written, in the form that they have in the file.
    """
    assert table.rows is not None
    given = list(sources)
    columns = [
        column
        for column in table.columns
        if column.written and not (column.optional and not any(_is_there(column.of(source)) for source in given))
    ]
    yield _line([column.name for column in columns])
    for source in given:
        known = ready(source)
        stacks: list[Iterable[str]] = []
        parts = [known[column.name] if column.name in known else _texts(column.of(source)) for column in columns]
        # Neighbours that all rows share are one cell: the csv module would look at each of them in every row.
        for shared, several in groupby(parts, key=lambda part: isinstance(part, str)):
            cells = list(several)
            stacks += [repeat(",".join(map(str, cells)))] if shared else cells
        rows = islice(zip(*stacks, strict=False), table.rows(source))
        yield "".join([f"{line}\n" for line in map(",".join, rows)])


def _is_there(value: Any) -> bool:
    """Whether one source has something for a column: a text, or an array."""
    return value is not None and (isinstance(value, np.ndarray) or value != "")


def to_markdown(text: Text) -> str:
    """A pipe table; the best is bold, what ties with it has a ≈."""
    return _TEMPLATES.get_template("table.md").render(text=text)


def to_latex(text: Text) -> str:
    """A booktabs tabular, to be `\\input` in a paper: the best in bold, ties marked, intervals small."""
    return _TEMPLATES.get_template("table.tex").render(text=text)


def to_terminal(text: Text) -> str:
    """Aligned columns for a terminal, without the notes."""
    table = [text.header, *text.rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(text.header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cells(column: Any) -> list[Any]:
    """A column as the csv module writes it; it writes floats by `repr`, and None as an empty cell."""
    if column.dtype.kind == "f":
        return _numbers(column.to_numpy())
    if column.dtype.kind == "b":
        column = column.map({True: "true", False: "false"})
    there = column.notna()
    cells: list[Any] = (column if there.all() else column.astype(object).where(there, None)).tolist()
    return cells


def _texts(value: Any) -> str | list[str]:
    """One cell for all rows, or a column of numbers as `repr` writes them; empty texts for what is not there."""
    if not isinstance(value, np.ndarray):
        return _quoted(value)
    if np.isfinite(value).all():
        return list(map(repr, value.tolist()))
    return ["" if cell is None else repr(cell) for cell in _numbers(value)] if np.isfinite(value).any() else ""


def _quoted(value: Any) -> str:
    """One cell as the csv module writes it beside others."""
    return _line([value, 0])[: -len(",0\n")]


def _line(row: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue()


def _numbers(values: Any) -> list[Any]:
    finite = np.isfinite(values)
    cells: list[Any] = values.tolist()
    return cells if finite.all() else [cell if there else None for cell, there in zip(cells, finite, strict=True)]


def _md(text: str) -> str:
    for char in "\\|<>*`":  # the backslash first
        text = text.replace(char, f"\\{char}")
    return text


def _md_marked(cell: str, mark: str) -> str:
    if mark == TIE:
        head, tail = _split(cell)
        return _md(f"{head} ≈{tail}")
    return f"**{_md(cell)}**" if mark == BEST else _md(cell)


def _tex(text: str) -> str:
    return "".join(_TEX.get(char, char) for char in text)


def _tex_number(cell: str, mark: str) -> str:
    head, tail = map(_tex, _split(cell))
    head = rf"\textbf{{{head}}}" if mark == BEST else rf"{head}$^{{\approx}}$" if mark == TIE else head
    return rf"{head} {{\scriptsize{tail}}}" if tail else head


def _split(cell: str) -> tuple[str, str]:
    """The number, and its interval with the blank before it."""
    at = cell.find(" [")
    return (cell, "") if at < 0 else (cell[:at], cell[at:])


_TEMPLATES = Environment(
    loader=PackageLoader("rewardlab.report.tables", "templates"), trim_blocks=True, lstrip_blocks=True,
    keep_trailing_newline=True, autoescape=False,
)  # fmt: skip
_TEMPLATES.filters |= {"md": _md, "md_marked": _md_marked, "tex": _tex, "tex_number": _tex_number}
