"""Where a dataset, labels or a run that is learned from lie, and what distinguishes them. No heavy import."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

from rewardlab.discovery import conf_dir
from rewardlab.errors import unknown
from rewardlab.machine import user_cache
from rewardlab.records.files import write_atomic

METADATA, EPISODES = "metadata.json", "main_data.hdf5"
SEGMENTS = "segments.npz"  # what the labels beside it compare
LEARNED = "checkpoint.pt"  # of a run: holds what its reward learned
ASKED = "annotations.csv"  # of runs: what a judge was asked
_SETTLED = 2.0  # seconds: a file may change once more within what its times can tell apart


def data_folder(path: str) -> Path | None:
    """The files of a dataset, named by its folder or its id below MINARI_DATASETS_PATH; None: there is no such one."""
    root = Path(os.environ.get("MINARI_DATASETS_PATH", "~/.minari/datasets")).expanduser()
    for folder in (Path(path).expanduser(), root / path):
        for data in (folder / "data", folder):
            if (data / METADATA).is_file():
                return data
    return None


def code_file(path: str) -> Path | None:
    """The file of a reward given as code, by its place or by its name in conf/code; None: there is none."""
    for file in (Path(path).expanduser(), conf_dir() / "code" / f"{path}.py"):
        if file.is_file():
            return file
    return None


def codes() -> list[str]:
    """The names of those in conf/code."""
    return sorted(file.stem for file in (conf_dir() / "code").glob("*.py"))


def answers_folder(path: str) -> Path | None:
    """Recorded answers of a language model, by their place or by their name in conf/answers; None: there are none."""
    for folder in (Path(path).expanduser(), conf_dir() / "answers" / path):
        if path and folder.is_dir():
            return folder
    return None


def recordings() -> list[str]:
    """The names of those in conf/answers."""
    return sorted(folder.name for folder in (conf_dir() / "answers").glob("*") if folder.is_dir())


def read_code(path: str, what: str) -> str:
    """The text of a reward given as code.

    Args:
        what: the option or flag that names it.

    Raises:
        ValueError: there is no such file, or it is no text; one line.
    """
    file = code_file(path)
    if file is None:
        raise ValueError(str(unknown(what, path, codes(), "file, and no such name in conf/code")))
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ValueError(f"{what}={path}: cannot be read ({reason})") from None


def fingerprint(path: str) -> str:
    """The same wherever a dataset, labels, code, a run or what runs asked lie, another once a byte changes; else the
    path itself.
    """
    file, data = Path(path).expanduser(), data_folder(path)
    try:
        if file.is_file():
            compared = file.parent / SEGMENTS
            beside = _digest(compared) if compared.is_file() else ""
            return hashlib.sha256(file.read_bytes() + beside.encode()).hexdigest()[:16]
        if data is not None:
            content = _digest(data / EPISODES).encode()
            return hashlib.sha256((data / METADATA).read_bytes() + content).hexdigest()[:16]
        if (file / LEARNED).is_file():
            learned, annotations = _digest(file / LEARNED), file / ASKED
            if not annotations.is_file():
                return learned[:16]
            # Either may be what is read.
            return hashlib.sha256((learned + _digest(annotations)).encode()).hexdigest()[:16]
        if (named := code_file(path)) is not None:
            return _digest(named)[:16]
        if questions := sorted(file.rglob(ASKED)):
            return hashlib.sha256("".join(map(_digest, questions)).encode()).hexdigest()[:16]
    except OSError:  # what lacks a part is refused when it is opened
        pass
    return path


def _digest(file: Path) -> str:
    """The sha256 of a file's bytes; kept in the user's cache while its place, size and times stay.

    Raises:
        OSError: it can't be read.
    """
    told = file.stat()
    facts = (file.resolve(), told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)
    kept = user_cache() / "datasets" / hashlib.sha256(repr(facts).encode()).hexdigest()
    with contextlib.suppress(OSError, UnicodeDecodeError):
        found = kept.read_text(encoding="ascii")
        if len(found) == hashlib.sha256().digest_size * 2:
            return found
    with open(file, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if time.time() - max(told.st_mtime, told.st_ctime) > _SETTLED:
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(kept, digest.encode())
    return digest
