"""Reads the rows of a table as they are written, also while a continued run cuts it back."""

import csv
import math
from pathlib import Path


class Tail:
    """A reader that follows a growing table.

    Rows are known by their `frames`, which only grow: a row of frames that were handed out before (in an earlier
    session, or before a continued run cut the table back and made it again) is passed over.

    Args:
        path: the table, which need not exist yet.
        sent_frames: frames of the last row that was handed out before; -1 for none.
    """

    def __init__(self, path: Path, sent_frames: float = -1) -> None:
        self.path = path
        self.sent_frames = sent_frames
        self._offset = 0
        self._last = b""  # the line before the offset: if it is no longer there, the table was cut back
        self._header: list[str] = []

    def rows(self) -> list[dict[str, float]]:
        """Whole rows that are new, cells without a number left out."""
        fresh = []
        for line in self._new_lines():
            cells = next(csv.reader([line.decode("utf-8", "replace")]), [])
            if not self._header:
                self._header = cells
                continue
            named = zip(self._header, cells, strict=False)
            row = {name: number for name, cell in named if (number := _number(cell)) is not None}
            if row.get("frames", -1) > self.sent_frames:
                self.sent_frames = row["frames"]
                fresh.append(row)
        return fresh

    def _new_lines(self) -> list[bytes]:
        try:
            with open(self.path, "rb") as file:
                file.seek(self._offset - len(self._last))
                content = file.read()
                if not content.startswith(self._last):
                    self._header, self._last = [], b""
                    file.seek(0)
                    content = file.read()
                    self._offset = 0
        except OSError:
            return []
        content = content[len(self._last) : content.rfind(b"\n") + 1]
        lines = content.splitlines(keepends=True)
        self._offset += len(content)
        self._last = lines[-1] if lines else self._last
        return lines


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
