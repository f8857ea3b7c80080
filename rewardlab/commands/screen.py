"""What fits: the width of the terminal, and texts that are cut to it. What is piped is never cut."""

import shutil
import sys
import textwrap
from collections.abc import Sequence


def width() -> int | None:
    """Columns of the terminal that standard output goes to; None where it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cut(text: str, columns: int | None) -> str:
    """A text without the end that does not fit."""
    return text if columns is None or len(text) <= columns else f"{text[: max(0, columns - 1)].rstrip()}…"


def cut_middle(text: str, columns: int) -> str:
    """A text without a piece of its middle, where it does not fit: both ends of a run's name tell."""
    if len(text) <= columns:
        return text
    tail = (columns - 1) // 2
    return f"{text[: columns - 1 - tail]}…{text[len(text) - tail :]}"


def wrapped(text: str, columns: int | None, indent: int = 0) -> list[str]:
    """A text in lines that fit, those after the first further to the right."""
    if columns is None:
        return [text]
    return textwrap.wrap(text, max(columns, indent + 20), subsequent_indent=" " * indent, break_long_words=False)


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows as lines whose columns stand below one another, those of the numbers in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(size) if place in right else cell.ljust(size)
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
