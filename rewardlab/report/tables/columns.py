"""What a table is: columns, each declared once, over the rows of a DataFrame.

A declaration says what a column is called, how it is computed of what a row stands for, how readers see it and what it
means. The csv file, Markdown, LaTeX, the terminal, the page and the description in results/README.md follow from it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np
import pandas as pd

from rewardlab.report.numbers import Form, score
from rewardlab.report.statistics import Estimate

LESS, NONE, MORE = -1, 0, 1


class Kind(Enum):
    """What the cells of a column hold.

    A METHOD is the name of a method or setting, drawn with its colour on the page. An ESTIMATE is three columns of a
    file: the value and, with _low and _high, its interval. A TIME is an estimate that may not be reached: a fourth
    column, with _censored, says so. A CHANGE is an estimate that is told from zero.
    """

    TEXT = auto()
    METHOD = auto()
    COUNT = auto()
    FLAG = auto()
    NUMBER = auto()
    ESTIMATE = auto()
    TIME = auto()
    CHANGE = auto()


_PARTS = {Kind.ESTIMATE: ("", "_low", "_high"), Kind.CHANGE: ("", "_low", "_high"),
          Kind.TIME: ("", "_low", "_high", "_censored")}  # fmt: skip
_DTYPES = {Kind.TEXT: "str", Kind.METHOD: "str", Kind.COUNT: "Int64", Kind.FLAG: "boolean"}


@dataclass(frozen=True)
class Column:
    """One column, declared."""

    name: str  # in files and DataFrames
    kind: Kind  # what its cells hold
    # what a row stands for -> a text, number, truth value or `Estimate`; None where there is none. In a long table an
    # array, or one value for all rows of one source.
    of: Callable[[Any], Any]
    definition: str = ""  # what it means, for results/README.md; empty where the column before it says so
    title: str = ""  # heading for readers; empty if only files have it
    unit: str = ""  # of its numbers
    form: Form = score  # how readers see a number
    better: int = NONE  # LESS or MORE marks the best of a group for readers
    reached: str = ""  # of a TIME, the column that counts the seeds that got there; readers see it beside the number
    blank: str = ""  # what readers see in an empty cell
    written: bool = True  # whether it is in the csv file
    optional: bool = False  # left out of the csv file where every cell is empty
    brief: bool = True  # whether the terminal has room for it
    leads: bool = False  # whether readers see it before the columns that do not lead

    @property
    def parts(self) -> list[str]:
        """Names of its columns in files and DataFrames."""
        return [self.name + part for part in _PARTS.get(self.kind, ("",))]

    def cells(self, values: Any) -> dict[str, Any]:
        """Its columns of a DataFrame, one cell for each value."""
        if self.kind not in _PARTS:
            return {self.name: pd.array(values, dtype=_DTYPES.get(self.kind, "float64"))}
        ends = [(None, None, None) if value is None else value for value in values]
        table = np.array(ends, dtype=np.float64).reshape(-1, 3)
        cells: dict[str, Any] = dict(zip(self.parts, table.T, strict=False))
        if self.kind is Kind.TIME:
            missed = [None if value is None else value.value is None for value in values]
            cells[f"{self.name}_censored"] = pd.array(missed, dtype="boolean")
        return cells


class Row:
    """One row: what it stands for, and its cells; None where one is empty."""

    def __init__(self, source: Any, cells: dict[str, Any]) -> None:
        self.source = source
        self._cells = cells

    def __getitem__(self, name: str) -> Any:
        cell = self._cells[name]
        return None if pd.isna(cell) else cell

    @property
    def assumes(self) -> tuple[str, ...]:
        """What it assumes more than others, where the table tells."""
        found: tuple[str, ...] = self.source.assumes if "assumes" in self._cells else ()
        return found

    def estimate(self, name: str) -> Estimate:
        return Estimate(self[name], self[f"{name}_low"], self[f"{name}_high"])


@dataclass(frozen=True)
class Table:
    """A table, declared."""

    name: str  # of its files
    title: str  # what it holds, one row for what
    columns: tuple[Column, ...]
    names: int = 1  # how many columns at the left of the readers' table are names; the rest are numbers
    group: tuple[str, ...] = ()  # columns that are equal in rows that are compared with each other
    notes: Callable[["Filled"], list[str]] = lambda filled: []  # sentences below the readers' table
    rows: Callable[[Any], int] | None = None  # of a long table, source -> how many rows it has

    @property
    def shown(self) -> list[Column]:
        """What readers see, in their order."""
        return sorted((column for column in self.columns if column.title), key=lambda column: not column.leads)

    def fill(self, sources: Iterable[Any], rank: Callable[[Row], Any] | None = None) -> "Filled":
        """Computes every column of what the rows stand for, and puts the rows in the order of a key."""
        given = list(sources)
        cells: dict[str, Any] = {}
        for column in self.columns:
            values = [column.of(source) for source in given]
            cells |= column.cells(self._long(column, values, given) if self.rows is not None else values)
        filled = Filled(self, tuple(given), pd.DataFrame(cells))
        if rank is None:
            return filled
        keys = [rank(row) for row in filled]
        order = sorted(range(len(given)), key=lambda place: keys[place])
        return Filled(self, tuple(given[place] for place in order), filled.frame.iloc[order].reset_index(drop=True))

    def _long(self, column: Column, values: list[Any], sources: list[Any]) -> Any:
        """One value or array for each source -> one for each row."""
        assert self.rows is not None
        dtype = object if column.kind is Kind.TEXT else None
        given = (np.asarray(np.nan if value is None else value, dtype=dtype) for value in values)
        parts = [np.broadcast_to(each, self.rows(source)) for each, source in zip(given, sources, strict=True)]
        return np.concatenate(parts) if parts else []


@dataclass(frozen=True)
class Filled:
    """A table with its rows, in order."""

    table: Table
    sources: tuple[Any, ...]  # what each row stands for (of a long table, each stretch of rows)
    frame: pd.DataFrame  # the rows

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def shown(self) -> list[Column]:
        """What readers see: without columns of numbers in which no row has one."""
        columns = self.table.shown
        names = {column.name for column in columns[: self.table.names]}
        return [each for each in columns if each.name in names or not len(self) or self._has(each)]

    def _has(self, column: Column) -> bool:
        counted = column.reached or column.name  # a time that nobody reached is a finding, too
        return bool(self.frame[counted].notna().any())

    def __iter__(self) -> Iterator[Row]:
        for source, cells in zip(self.sources, self.frame.to_dict("records"), strict=True):
            yield Row(source, {str(name): cell for name, cell in cells.items()})

    @property
    def written(self) -> pd.DataFrame:
        """What the csv file holds: declared columns, then those that come with the rows."""
        names: list[str] = []
        for column in self.table.columns:
            cells = self.frame[column.name]
            empty = column.optional and not (cells.notna() & (cells != "")).any()
            names += column.parts if column.written and not empty else []
        declared = {part for column in self.table.columns for part in column.parts}
        return self.frame[[*names, *(name for name in self.frame.columns if name not in declared)]]
