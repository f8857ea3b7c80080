"""Tables as files: csv, Markdown, LaTeX, and aligned columns for a terminal."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Record = dict[str, Any]

BEST, TIE = "best", "tie"
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "†": r"$\dagger$", "·": r"$\cdot$", "–": "--",
    "<": r"\textless{}", ">": r"\textgreater{}", "∞": r"$\infty$", "…": r"\dots{}", "≈": r"$\approx$",
    "−": r"$-$",
}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A table for reading.

    Attributes:
        header: names of the columns.
        rows: cells, each row as long as the header.
        notes: sentences below.
        marks: BEST, TIE or nothing for each cell; empty where the table has none.
        names: how many columns at the left are names; the rest are numbers.
    """

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: tuple[str, ...] = ()
    marks: tuple[tuple[str, ...], ...] = ()
    names: int = 1

    def mark(self, row: int, column: int) -> str:
        return self.marks[row][column] if self.marks else ""


def to_csv(records: Sequence[Record], columns: Sequence[str] = ()) -> str:
    """CSV with a header; floats by `repr`, truth values as true and false, empty cells for None and NaN."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(records[0].keys() if records else columns)
    writer.writerows([_cell(value) for value in record.values()] for record in records)
    return buffer.getvalue()


def to_markdown(text: Text) -> str:
    """A pipe table; the best is bold, what ties with it has a ≈."""
    lines = [f"| {' | '.join(map(_md, text.header))} |"]
    lines.append("|" + "|".join("---" if place < text.names else "---:" for place in range(len(text.header))) + "|")
    for row, cells in enumerate(text.rows):
        shown = [_md_marked(cell, text.mark(row, column)) for column, cell in enumerate(cells)]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join([*lines, *(f"\n{_md(note)}" for note in text.notes)]) + "\n"


def to_latex(text: Text) -> str:
    """A booktabs tabular, to be `\\input` in a paper: the best in bold, ties marked, intervals small."""
    columns = "l" * text.names + "r" * (len(text.header) - text.names)
    lines = [r"% needs \usepackage{booktabs}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [" & ".join(map(_tex, text.header)) + r" \\", r"\midrule"]
    previous = text.rows[0][0] if text.rows else ""
    for row, cells in enumerate(text.rows):
        if text.names > 1 and cells[0] != previous:
            lines.append(r"\midrule")
        previous = cells[0]
        shown = [
            _tex(cell) if column < text.names else _tex_number(cell, text.mark(row, column))
            for column, cell in enumerate(cells)
        ]
        lines.append(" & ".join(shown) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *(f"% {_tex(note)}" for note in text.notes)]) + "\n"


def to_terminal(text: Text) -> str:
    """Aligned columns for a terminal, without the notes."""
    table = [text.header, *text.rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(text.header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else value


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
