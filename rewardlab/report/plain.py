"""Plain files, read with suspicion: regular, inside the folder, of a bearable size, and what they claim to be."""

import csv
import io
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardlab.records import files

TABLE_LIMIT = 128 * 2**20  # bytes


class Unreadable(Exception):
    """One file of one run cannot be used; the text says which and why, in one line."""


def read_json(path: Path, root: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        path: the file.
        root: the folder that links may not lead out of.

    Raises:
        Unreadable: missing, linked out of the folder, too large, no text, no JSON, or not an object.
    """
    _require_inside(path, root)
    value, reason = files.read_json(path)
    if value is None:
        raise Unreadable(reason)
    return value


def read_table(
    path: Path, root: Path, required: tuple[str, ...], optional: tuple[str, ...], *, whole: bool
) -> dict[str, NDArray[np.float64]]:
    """Reads columns of numbers from a CSV file with a header.

    Args:
        path: the file.
        root: the folder that links may not lead out of.
        required: columns that must be there.
        optional: columns that are all NaN if they are not there.
        whole: whether a last line without its end makes the file unreadable; otherwise that line is dropped (it is
            being written, or was when the process died).

    Returns:
        Column name -> [rows]; empty cells are NaN.

    Raises:
        Unreadable: with the reason.
    """
    text = _read_text(path, root)
    if not text.endswith("\n"):
        if whole:
            raise Unreadable(f"{path.name} is {'cut off in its last line' if text else 'empty'}")
        text = text[: text.rfind("\n") + 1]
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise Unreadable(f"{path.name} is not a table ({clean(str(error), 80)})") from None
    header = rows[0] if rows else []
    if not header and not whole:
        return {name: np.empty(0) for name in (*required, *optional)}
    if missing := [name for name in required if name not in header]:
        raise Unreadable(f"{path.name} has no column {', '.join(missing)}")
    body = [row for row in rows[1:] if row]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise Unreadable(f"{path.name}: line {number} has {len(row)} cells, the header {len(header)}")
    columns = {}
    for name in (*required, *optional):
        try:
            where = header.index(name) if name in header else None
            cells = [row[where] for row in body] if where is not None else [""] * len(body)
            columns[name] = np.array([float(cell) if cell.strip() else np.nan for cell in cells], dtype=np.float64)
        except ValueError:
            raise Unreadable(f"{path.name}: column {name} holds something that is not a number") from None
    return columns


def clean(text: str, limit: int) -> str:
    """Text that is safe to print anywhere: no control, bidirectional or unpaired characters, at most `limit` long."""
    if len(text) <= limit and text.isprintable():
        return text.strip()
    visible = "".join(" " if char in "\n\r\t" else char for char in text[: 4 * limit])
    visible = "".join(char if unicodedata.category(char)[0] != "C" else "\ufffd" for char in visible).strip()
    return visible if len(visible) <= limit else visible[: limit - 1] + "…"


def _read_text(path: Path, root: Path) -> str:
    _require_inside(path, root)
    content, reason = files.read_regular(path, TABLE_LIMIT)
    if content is None:
        raise Unreadable(reason)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{path.name} is not text") from None


def _require_inside(path: Path, root: Path) -> None:
    try:
        inside = path.resolve(strict=True).is_relative_to(root.resolve())
    except FileNotFoundError:
        raise Unreadable(f"no {path.name}") from None
    except (OSError, RuntimeError) as error:  # a link to itself, a folder that may not be entered
        reason = files.one_line(getattr(error, "strerror", None) or error, 80)
        raise Unreadable(f"{path.name} cannot be read ({reason})") from None
    if not inside:
        raise Unreadable(f"{path.name} is a link out of the results folder")
