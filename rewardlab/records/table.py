"""Append-only tables of numbers: CSV with columns declared before the first row."""

import contextlib
import csv
import errno
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewardlab.records.files import Damaged, same_file, sync_folder

_TAIL = 64 * 1024  # bytes: more than a row of train.csv


class TableMismatch(Damaged):
    """A table cannot be continued: it is not the one that the checkpoint knows."""


class Table:
    """One table of a run, open for appending. A row reaches the file whole, as soon as it is appended.

    Absent values, None and NaN are empty cells; floats are written by `repr`, so that they read back exactly.

    Args:
        path: the file.
        columns: names of the columns, in order.
        keep_bytes: None starts the table anew; a length that `sync` returned continues it from there, and cuts off
            what was written later.

    Raises:
        TableMismatch: the table to be continued is missing, shorter, has other columns or is cut within a row.
        ValueError: no columns, or one twice.
    """

    def __init__(self, path: Path, columns: Sequence[str], keep_bytes: int | None = None) -> None:
        if not columns or len(set(columns)) != len(columns):
            raise ValueError(f"{path.name}: columns must be given, each once: {list(columns)}")
        self.path = path
        self.columns = tuple(columns)
        header = _line(self.columns)
        if keep_bytes is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115
            self._length = 0
            self._write(header)
            sync_folder(path.parent)
        else:
            check_continuation(path, columns, keep_bytes)
            self._file = open(path, "r+b", buffering=0)  # noqa: SIM115
            self._length = keep_bytes
            self._file.truncate(keep_bytes)
            self._file.seek(keep_bytes)

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row of numbers (booleans count as 0 and 1).

        Raises:
            KeyError: a column that was not declared.
            TypeError: a value that is not a number.
            OSError: the file could not take it; it is as it was before the call.
        """
        for name in row:
            if name not in self.columns:
                raise KeyError(f"{self.path.name} has no column {name}; declared are {', '.join(self.columns)}")
        self._write(_line([_cell(name, row.get(name)) for name in self.columns]))

    def sync(self) -> int:
        """Make every row outlive a power cut.

        Returns:
            The length of the file in bytes: what a checkpoint stores as `keep_bytes`.

        Raises:
            OSError: the disk refused, or the file is no longer there: rows would go where nobody finds them.
        """
        os.fsync(self._file.fileno())
        if not same_file(self._file.fileno(), self.path):
            raise FileNotFoundError(errno.ENOENT, "removed or replaced while it was written", str(self.path))
        return self._length

    def close(self) -> None:
        """Rows since the last `sync` are in the file, but may not outlive a power cut."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        """All or nothing: a full disk must not leave half a row between whole ones."""
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(self._length)
            self._file.seek(self._length)
            raise
        self._length += len(line)


def read_columns(path: Path) -> dict[str, list[float]]:
    """Read a table that this module wrote.

    Returns:
        Column name -> one number for each row, NaN for empty cells. A last line without its end is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a table of numbers.
    """
    text = path.read_bytes().decode("utf-8")
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
    if not rows:
        raise ValueError(f"{path.name} has no header")
    header, body = rows[0], rows[1:]
    if any(len(row) != len(header) for row in body):
        raise ValueError(f"{path.name} has rows of different lengths")
    return {name: [float(row[i]) if row[i] else math.nan for row in body] for i, name in enumerate(header)}


def last_row(path: Path) -> dict[str, float]:
    """The numbers in the last whole row of a table that may still grow; empty if there is none. Never raises.

    Only the ends of the file are read, so it is cheap enough to do for every running job once a second.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            header = file.readline(_TAIL)
            start = file.tell()
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _TAIL))
            lines = file.read(_TAIL).split(b"\n")[:-1]  # what follows the last line end is a row being written
        names, cells = csv.reader([line.decode(errors="replace").strip("\r\n") for line in (header, lines[-1])])
    except (OSError, ValueError, IndexError, csv.Error):
        return {}
    row = {}
    for name, cell in zip(names, cells, strict=False) if len(names) == len(cells) else ():
        with contextlib.suppress(ValueError):
            row[name] = float(cell)
    return row


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "item"):
        value = value.item()  # numpy scalars, whose repr is not a number's
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, int):
        return str(int(value))
    raise TypeError(f"column {name}: {value!r} is not a number")


def _line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue().encode()


def check_continuation(path: Path, columns: Sequence[str], keep_bytes: int) -> None:
    """Raises:
    TableMismatch: the table is not one that can be continued at this length.
    """
    header = _line(columns)
    try:
        with open(path, "rb") as file:
            found = file.readline()
            length = file.seek(0, os.SEEK_END)
            file.seek(max(keep_bytes - 1, 0))
            end = file.read(1)
    except FileNotFoundError:
        raise TableMismatch(f"{path.name} is missing") from None
    if found != header:
        raise TableMismatch(f"{path.name} has other columns than this version writes")
    if length < keep_bytes:
        raise TableMismatch(f"{path.name} has {length} bytes; the checkpoint counts {keep_bytes}")
    if keep_bytes < len(header) or end != b"\n":
        raise TableMismatch(f"{path.name} has no end of a row at byte {keep_bytes}")
