"""What finished runs keep as plain arrays of numbers: `archive.npz`, a population's individuals, and `reward_map.npz`,
what a learned reward makes of the cells of a level; `levels.npz`, some that a designer chose.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rewardlab.errors import one_line
from rewardlab.records.files import write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARCHIVE, REWARD_MAP, LEVELS = "archive.npz", "reward_map.npz", "levels.npz"


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of numbers atomically; the same ones give the same bytes.

    Raises:
        TypeError: one holds something else.
        OSError: the disk refused; the file is as it was.
    """
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} holds {array.dtype}, which does not belong in {path.name}")
    import numpy as np  # what drives a sweep reads this folder's modules without it

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getbuffer())


def load(
    source: Path | BinaryIO, names: Collection[str] | None = None, most: int | None = None, file_name: str = ARCHIVE
) -> dict[str, NDArray[Any]]:
    """Read arrays of unknown origin; nothing is unpickled.

    Args:
        names: which, of those that are there; None: all.
        most: numbers that an array may have; None: any.
        file_name: what the source is called.

    Raises:
        ValueError: it cannot be read, with one line that says why.
    """
    import numpy as np

    try:
        found: dict[str, NDArray[Any]] = {}
        with zipfile.ZipFile(source) as file:
            for member in file.infolist():
                name = member.filename.removesuffix(".npy")
                if names is None or name in names:
                    if most is not None and member.file_size > 8 * most + 1024:
                        raise ValueError(f"{name} is too large")
                    with file.open(member) as content:
                        found[name] = np.lib.format.read_array(content, allow_pickle=False)
        return found
    except (OSError, ValueError, EOFError, MemoryError, NotImplementedError, RuntimeError, zipfile.BadZipFile) as error:
        reason = one_line(getattr(error, "strerror", None) or error, 120)
        raise ValueError(f"{file_name} cannot be read ({reason})") from None
