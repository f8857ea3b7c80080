"""What a report leaves in its folder: written whole, named in `files.json`, and cleared away by the next report."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rewardlab.errors import UserError
from rewardlab.records.files import read_json

FILES = "files.json"
_SAFE = re.compile(
    r"(?:[A-Za-z0-9_=-][A-Za-z0-9_.=-]*/){0,2}[A-Za-z0-9_=-][A-Za-z0-9_.=-]*\.(?:csv|md|tex|png|svg|pdf|html)"
)


class Output:
    """The folder of one report.

    Args:
        folder: made where it is missing.
        chosen: whether the user named it. A results folder may come from anybody, so a `report` in it that is a link
            leads who knows where.

    Raises:
        UserError: it is a link that nobody asked for.
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, *, chosen: bool) -> None:
        if not chosen and folder.is_symlink():
            raise UserError(f"{folder}: is a link; name the report's folder with --out")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._earlier = _earlier(folder)
        self._written: dict[str, str] = {}

    def write(self, name: str, content: str | bytes | Iterator[str]) -> Path:
        """Writes one file, named relative to the folder, in the place of what was there, be it a link.

        What is large comes piece by piece, so that it need not be held as a whole.
        """
        pieces = content if isinstance(content, Iterator) else [content]
        digest = hashlib.sha256()
        path = self.folder / name
        for parent in reversed(path.relative_to(self.folder).parents[:-1]):
            if (self.folder / parent).is_symlink():
                raise UserError(f"{self.folder / parent}: is a link; remove it, or name another folder with --out")
            (self.folder / parent).mkdir(exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                for piece in pieces:
                    data = piece.encode() if isinstance(piece, str) else piece
                    digest.update(data)
                    file.write(data)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._written[name] = digest.hexdigest()
        return path

    def finish(self) -> tuple[Path, ...]:
        """Clears away what earlier reports wrote here and this one did not, and says which files it wrote."""
        stale = {name: digest for name, digest in self._earlier.items() if name not in self._written}
        for name, digest in stale.items():
            _remove(self.folder, name, digest)
        written = tuple(self.folder / name for name in self._written)
        made = {"made_by": "rewardlab report", "files": self._written}
        self.write(FILES, json.dumps(made, indent=1) + "\n")
        del self._written[FILES]
        return written


def facts(paths: Iterable[Path]) -> dict[str, list[int]] | None:
    """Size and time of files, by which one sees that they are still as they were; None if one is gone."""
    found = {}
    try:
        for path in paths:
            known = os.lstat(path)
            found[str(path)] = [known.st_size, known.st_mtime_ns]
    except OSError:
        return None
    return found


def _earlier(folder: Path) -> dict[str, str]:
    """What the last report wrote here, by its own list, of which nothing is believed that it could not have written."""
    listed: Any = (read_json(folder / FILES)[0] or {}).get("files")
    if not isinstance(listed, dict):
        return {}
    return {name: digest for name, digest in listed.items() if _SAFE.fullmatch(name) and isinstance(digest, str)}


def _remove(folder: Path, name: str, digest: str) -> None:
    """Removes a file if it is still, byte for byte, what the tool wrote; never what lies behind a link."""
    path = folder / name
    parents = [folder / parent for parent in path.relative_to(folder).parents[:-1]]
    if path.is_symlink() or not path.is_file() or any(parent.is_symlink() for parent in parents):
        return
    with contextlib.suppress(OSError):
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            path.unlink()
            for parent in parents:
                parent.rmdir()  # fails, as it should, where something is left
