"""Tables that look alike, parsed by one call: a call takes longer than a table of a run."""

import io
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from rewardlab.report.reading.plain import Table, Unreadable, column_places, plain_ends

_OF_NUMBERS = b"0123456789.e+-"


def parse_together(
    contents: Sequence[bytes], wanted: Callable[[str], bool], required: tuple[str, ...]
) -> list[Table | None]:
    """What `parse_table` finds in the contents of files; None for a table that it has to look at by itself.

    It has to where anything is out of the ordinary: a line that is cut off, empty or of another length than the header,
    or a cell that is neither empty nor a plain number.
    """
    contents = [plain_ends(content) for content in contents]
    alike: dict[bytes, list[int]] = {}
    for place, content in enumerate(contents):
        alike.setdefault(content[: content.find(b"\n") + 1], []).append(place)
    found: list[Table | None] = [None] * len(contents)
    for header, places in alike.items():
        tables = _parse_alike(header, [contents[place][len(header) :] for place in places], wanted, required)
        for place, table in zip(places, tables, strict=True):
            found[place] = table
    return found


def _parse_alike(
    header: bytes, bodies: Sequence[bytes], wanted: Callable[[str], bool], required: tuple[str, ...]
) -> list[Table | None]:
    """Tables of one header, without it."""
    nothing: list[Table | None] = [None] * len(bodies)
    width = header.count(b",") + 1
    if width < 2 or b'"' in header or b"\r" in header:  # an empty line is a cell where there is one column
        return nothing
    try:
        places = column_places(header.decode("utf-8-sig")[:-1].split(","), "", wanted, required)
    except (UnicodeDecodeError, Unreadable):
        return nothing
    rows = [_rows(body, width) for body in bodies]
    columns = _numbers(b"".join(body for body, count in zip(bodies, rows, strict=True) if count), list(places.values()))
    ends = np.cumsum([0, *rows]).tolist()
    if not columns or columns[0].size != ends[-1]:
        return nothing
    return [
        dict(zip(places, (column[start:end] for column in columns), strict=True)) if end > start else None
        for start, end in pairwise(ends)
    ]


def _rows(body: bytes, width: int) -> int:
    """How many lines a table has, each whole and of so many cells; 0 if any is not."""
    if not body.endswith(b"\n"):
        return 0
    ends = body.translate(None, _OF_NUMBERS)
    line = b"," * (width - 1) + b"\n"
    return len(ends) // width if ends == line * (len(ends) // width) else 0


def _numbers(body: bytes, places: list[int]) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Columns at some places; none where a cell is not a number."""
    import pandas as pd  # takes half a second, which a report that has not changed does without

    if not body:
        return []
    try:
        # To the last bit what `float` reads, from pandas 3.1 on.
        frame = pd.read_csv(
            io.BytesIO(body), header=None, usecols=places, dtype=np.float64, keep_default_na=False, na_values=[""]
        )
    except (ValueError, ArithmeticError, MemoryError):
        return []
    return [column.to_numpy() for _, column in frame.items()]
