"""The cells of a run's `eval.csv` as the run wrote them, for a table that shows the same numbers again.

To write a number anew takes ten times as long as to copy its text. Only what reads back as what is known is copied.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rewardlab.report.reading.plain import TABLE_LIMIT, Unreadable, plain_ends, read_bytes

_OF_NUMBERS = b"0123456789.e+-,\n"
_EXACT = 15  # digits: up to here an integer with .0 is how its float is written

Texts = dict[str, list[str]]


def digest(content: bytes, columns: Mapping[str, NDArray[np.float64]]) -> str:
    """What names a table whose cells may be copied, of which some columns were read; empty if they may not.

    Every cell of these columns is known to be a number. Only blanks, quotes, infinities and lines that were passed over
    would have to be written in another way.
    """
    header, _, body = plain_ends(content).partition(b"\n")
    rows = next(iter(columns.values())).size
    if b'"' in header or body.translate(None, _OF_NUMBERS) or body.count(b"\n") != rows or body[-1:] != b"\n":
        return ""
    return "" if any(np.isinf(column).any() for column in columns.values()) else sha256(content).hexdigest()


def cells(path: Path, root: Path, known: str) -> Texts:
    """Column name -> the cells of a table that a digest is known of; nothing if it is another table by now."""
    try:
        content = read_bytes(path, root, TABLE_LIMIT) if known else b""
    except Unreadable:
        return {}
    if not known or sha256(content).hexdigest() != known:
        return {}
    header, _, body = plain_ends(content).decode("utf-8-sig").partition("\n")
    names = header.split(",")
    every = body[:-1].replace("\n", ",").split(",")
    return {name: every[names.index(name) :: len(names)] for name in names}


def as_floats(column: list[str]) -> list[str] | None:
    """Cells as `repr` writes their floats; None where that is not known without reading them."""
    joined = ",".join(column)
    if joined.count(".") == len(column):  # no number has two
        return column
    found = [cell if not cell or "." in cell or "e" in cell else f"{cell}.0" for cell in column]
    longest = _EXACT + len("-.0")
    return found if all(len(new) <= longest for old, new in zip(column, found, strict=True) if old != new) else None


def as_integers(column: list[str]) -> list[str] | None:
    """Cells as integers are written; None where that is not known without reading them."""
    return column if "".join(column).isdigit() and len(max(column, key=len)) <= _EXACT else None
