"""Where a dataset of Minari's format lies, and what distinguishes it from others. No heavy import."""

import hashlib
import os
from pathlib import Path

METADATA, EPISODES = "metadata.json", "main_data.hdf5"


def data_folder(path: str) -> Path | None:
    """The files of a dataset, named by its folder or its id below MINARI_DATASETS_PATH; None: there is no such one."""
    root = Path(os.environ.get("MINARI_DATASETS_PATH", "~/.minari/datasets")).expanduser()
    for folder in (Path(path).expanduser(), root / path):
        for data in (folder / "data", folder):
            if (data / METADATA).is_file():
                return data
    return None


def fingerprint(path: str) -> str:
    """The same wherever a dataset lies, another once it is recorded anew; the path itself where there is none.

    It covers what the metadata tell, and how long the file of the episodes is.
    """
    data = data_folder(path)
    if data is None:
        return path
    episodes = data / EPISODES
    length = episodes.stat().st_size if episodes.is_file() else 0
    return hashlib.sha256((data / METADATA).read_bytes() + str(length).encode()).hexdigest()[:16]
