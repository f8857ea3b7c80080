"""Files that are never half there when written, and never trusted when read."""

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rewardlab.errors import one_line

JSON_LIMIT = 8 * 2**20  # bytes
_TEMPORARY = ".tmp"


class Damaged(ValueError):
    """A part of a run is missing or is not what was written: the run cannot go on. Nothing has been changed."""


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Replace a file as a whole: whoever reads it, and whenever the machine stops, finds the old content or the new.

    Raises:
        OSError: nothing has changed and nothing is left behind. A missing folder is not made: a run's may have been
            removed while it ran.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object atomically: strict JSON, so infinity and NaN become the texts "inf" and "nan"."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())


def read_json(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Read a JSON object of unknown origin.

    Returns:
        The object and an empty text, or None and one line that says why there is none.
    """
    content, reason = read_regular(path, JSON_LIMIT)
    if content is None:
        return None, reason
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None, f"{path.name} is not valid JSON"
    return (value, "") if isinstance(value, dict) else (None, f"{path.name} is not a JSON object")


def read_regular(path: Path, limit: int) -> tuple[bytes | None, str]:
    """Read a whole file of unknown origin, of at most `limit` bytes.

    Returns:
        The content and an empty text, or None and one line that says why there is none.
    """
    try:
        # Not blocking: a named pipe in the place of a file must not hang the reader.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return None, f"{path.name} is not a regular file"
            if facts.st_size > limit:
                return None, f"{path.name} is too large ({facts.st_size / 2**20:.0f} MiB)"
            return file.read(facts.st_size), ""  # a buffer of the size of the limit would take longer than the reading
    except FileNotFoundError:
        return None, f"no {path.name}"
    except OSError as error:
        return None, f"{path.name} cannot be read ({one_line(error.strerror or error)})"


def clean_temporaries(folder: Path) -> None:
    """Remove what writers left that were killed in the middle. Only the owner of the folder's lock may call it."""
    for path in folder.glob(f".*{_TEMPORARY}"):
        with contextlib.suppress(OSError):
            path.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut, where the file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def same_file(descriptor: int, path: Path) -> bool:
    """Whether an open file still bears its name; somebody may have removed or replaced it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def plain(value: Any) -> Any:
    """The same in JSON's own types: tuples and sets as lists, numpy numbers as numbers, paths as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "item"):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)


def now() -> str:
    """The time as ISO 8601 text, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
