"""Plain files, read with suspicion: regular, inside the folder, of a bearable size, and what they claim to be."""

import csv
import io
import os
import stat
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.errors import one_line
from rewardlab.records import files

TABLE_LIMIT = 64 * 2**20  # bytes
_TAKEN = "\x1c\x1d\x1e\x1f"  # numpy takes them for blanks around a number, `float` does not

Table = dict[str, NDArray[np.float64]]


class Unreadable(Exception):
    """One file of one run cannot be used; the text says which and why, in one line."""


def rises(frames: NDArray[np.float64]) -> bool:
    """Whether numbers of frames are finite, none negative, each larger than the one before."""
    return bool(np.isfinite(frames).all() and (frames >= 0).all() and (np.diff(frames) > 0).all())


def read_json(path: Path, root: Path) -> dict[str, Any]:
    """Reads a JSON object below a folder that links may not lead out of.

    Raises:
        Unreadable: missing, linked out of the folder, too large, no text, no JSON, or not an object.
    """
    require_inside(path, root)
    value, reason = files.read_json(path)
    if value is None:
        raise Unreadable(reason)
    return value


def read_table(
    path: Path, root: Path, wanted: Callable[[str], bool], required: tuple[str, ...], *, whole: bool
) -> Table:
    """Reads columns of numbers from a CSV file with a header.

    Args:
        path: the file.
        root: the folder that links may not lead out of.
        wanted: whether a column of this name is to be read, besides those that are required.
        required: columns that must be there.
        whole: whether a last line without its end, which is being written or was when the process died, makes the file
            unreadable; otherwise it is dropped.

    Returns:
        Column name -> [rows], in the file's order; empty cells are NaN. Without a header, if the table needn't be
        whole, the required columns without rows.

    Raises:
        Unreadable: with the reason.
    """
    return parse_table(read_bytes(path, root, TABLE_LIMIT), path.name, wanted, required, whole=whole)


def parse_table(
    content: bytes, file: str, wanted: Callable[[str], bool], required: tuple[str, ...], *, whole: bool
) -> Table:
    """What `read_table` reads, of a file's content and its name."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{file} is not text") from None
    if not text.endswith("\n"):
        if whole:
            raise Unreadable(f"{file} is {'cut off in its last line' if text else 'empty'}")
        text = text[: text.rfind("\n") + 1]
    # Without quotes a line is its cells, however it ends: twice as fast as the csv module.
    ended = plain_ends(text.encode()).decode()
    plain = '"' not in ended and "\r" not in ended
    lines = (line.split(",") if line else [] for line in ended.split("\n"))
    rows = lines if plain else csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, [])
        if not header and not whole:
            return {name: np.empty(0) for name in required}
        places = column_places(header, file, wanted, required)
        quick = _quick_columns(ended, places, len(header)) if plain else None
        return _columns(rows, places, len(header), file) if quick is None else quick
    except csv.Error as error:
        raise Unreadable(f"{file} is not a table ({clean(str(error), 80)})") from None


def plain_ends(content: bytes) -> bytes:
    """Content with `\\n` for each `\\r\\n`."""
    if b"\r" not in content:
        return content
    # To look for pairs takes ten times as long as to do without one character and to see whether that was the same.
    ended = content.replace(b"\r", b"")
    return ended if ended.replace(b"\n", b"\r\n") == content else content.replace(b"\r\n", b"\n")


def column_places(
    header: Sequence[str], file: str, wanted: Callable[[str], bool], required: tuple[str, ...]
) -> dict[str, int]:
    """Where the columns of `read_table` stand in a header, from left to right.

    Raises:
        Unreadable: one that is required is missing.
    """
    if missing := [name for name in required if name not in header]:
        raise Unreadable(f"{file} has no column {', '.join(missing)}")
    # The first of two columns with one name, as a reader would take it.
    return {name: header.index(name) for name in header if name in required or wanted(name)}


def _quick_columns(text: str, places: dict[str, int], width: int) -> Table | None:
    """What `_columns` would find, in half the time; None where a cell is empty or something is wrong."""
    lines = list(filter(None, text.split("\n")))[1:]
    if set(map(str.count, lines, repeat(","))) != {width - 1} or any(char in text for char in _TAKEN):
        return None
    try:
        table = np.loadtxt(lines, delimiter=",", comments=None, usecols=list(places.values()), ndmin=2)
    except ValueError:
        return None
    return dict(zip(places, np.ascontiguousarray(table.T), strict=True))


def _columns(rows: Iterable[list[str]], places: dict[str, int], width: int, file: str) -> Table:
    """The columns at some places, row by row: a table of text takes ten times the room of its numbers."""
    columns = {name: array("d") for name in places}
    pairs = [(place, columns[name].append, name) for name, place in places.items()]
    for number, row in enumerate(filter(None, rows), start=2):
        if len(row) != width:
            raise Unreadable(f"{file}: line {number} has {len(row)} cells, the header {width}")
        for place, append, name in pairs:
            cell = row[place]
            try:
                append(float(cell) if cell else np.nan)
            except ValueError:
                if cell.strip():
                    shown = clean(name, 60)
                    raise Unreadable(f"{file}: column {shown} holds something that is not a number") from None
                append(np.nan)
    return {name: np.array(column, dtype=np.float64) for name, column in columns.items()}


def clean(text: str, limit: int) -> str:
    """Text that is safe to print anywhere: no control, bidirectional or unpaired characters, at most `limit` long."""
    if len(text) <= limit and text.isprintable():
        return text.strip()
    visible = "".join(" " if char in "\n\r\t" else char for char in text[: 4 * limit])
    visible = "".join(char if unicodedata.category(char)[0] != "C" else "\ufffd" for char in visible).strip()
    return visible if len(visible) <= limit else visible[: limit - 1] + "…"


def require_inside(path: Path, root: Path) -> None:
    """Refuses what is missing, or a link that leads out of a folder.

    Raises:
        Unreadable: it is one of these.
    """
    if _is_inside(path, root):
        return
    try:
        inside = path.resolve(strict=True).is_relative_to(root.resolve())
    except FileNotFoundError:
        raise Unreadable(f"no {path.name}") from None
    except (OSError, RuntimeError) as error:  # a link to itself, a folder that may not be entered
        reason = one_line(getattr(error, "strerror", None) or error, 80)
        raise Unreadable(f"{path.name} cannot be read ({reason})") from None
    if not inside:
        raise Unreadable(f"{path.name} is a link out of the results folder")


def _is_inside(path: Path, root: Path) -> bool:
    """Whether a path is there and no part of it below the folder is a link; if not, the slower way says why."""
    try:
        parts = path.relative_to(root).parts
        place = os.fspath(root)
        for part in parts:
            place = os.path.join(place, part)
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return False
    except (OSError, ValueError):
        return False
    return bool(parts) and ".." not in parts


def read_bytes(path: Path, root: Path, limit: int) -> bytes:
    """Reads a regular file of at most `limit` bytes below a folder that links may not lead out of.

    Raises:
        Unreadable: it is not one.
    """
    require_inside(path, root)
    content, reason = files.read_regular(path, limit)
    if content is None:
        raise Unreadable(reason)
    return content
