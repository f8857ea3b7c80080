"""Runs as they were read before, in the user's cache folder: numbers and plain JSON, nothing to unpickle.

It lies in the cache folder and never among the results: what other people send is read, not believed.
"""

import contextlib
import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rewardlab.machine import user_cache
from rewardlab.report.reading.run_folder import Evaluations, FloatArray, Run, Training

Stamp = tuple[tuple[str, int, int, int], ...]
"""(file name, size, time in nanoseconds, inode) of each file of a run."""

_ARRAYS = ("evaluations", "training")
_TUPLES = ("assumes", "blemishes")
_SHARED = ("config", "packages", "code")
_COLUMNS = tuple(column.name for column in fields(Evaluations))
_FACTS = tuple(field.name for field in fields(Run) if field.name not in _ARRAYS)


class ReadingCache:
    """The runs below one results folder. A cache that is damaged, foreign or from other code is an empty one."""

    def __init__(self, root: Path) -> None:
        key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
        self._path = cache_folder() / f"runs-{key}.npz"
        self._known: dict[str, tuple[Stamp, Run]] = {}
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, zipfile.BadZipFile
        ):
            self._known = _load(self._path)

    def get(self, name: str, stamp: Stamp) -> Run | None:
        """The run in a folder, if it was read before and its files are those of then."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == stamp else None

    def keep(self, runs: Mapping[str, tuple[Stamp, Run]]) -> None:
        """Replaces what is kept. Without a place for it nothing is kept, and the next report reads anew."""
        if {name: stamp for name, (stamp, _) in runs.items()} == {n: stamp for n, (stamp, _) in self._known.items()}:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _save(temporary, runs)
            os.replace(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()


def cache_folder() -> Path:
    """Where the report keeps what it knows of earlier ones."""
    return user_cache() / "report"


@lru_cache
def code_digest() -> str:
    """Of the report's own code: what other code has kept is of no use."""
    digest = hashlib.sha256(f"{sys.version} {np.__version__}".encode())
    package = Path(__file__).parents[2]
    for source in sorted([*(package / "report").rglob("*.*"), *(package / "records").glob("*.py")]):
        if source.suffix in (".py", ".js", ".css", ".html", ".md", ".tex"):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _save(path: Path, runs: Mapping[str, tuple[Stamp, Run]]) -> None:
    shared: dict[str, int] = {}
    arrays: list[FloatArray] = []
    entries = []
    for name, (stamp, run) in runs.items():
        facts = {field: getattr(run, field) for field in _FACTS}
        for field in _SHARED:
            facts[field] = shared.setdefault(json.dumps(facts[field]), len(shared))
        columns = [getattr(run.evaluations, column) for column in _COLUMNS]
        series = [run.training.frames, *run.training.series.values()]
        arrays += [*columns, *series]
        lengths = [columns[0].size, run.training.frames.size]
        entries.append([name, stamp, facts, lengths, list(run.training.series)])
    header = json.dumps({"code": code_digest(), "shared": list(shared), "runs": entries}).encode()
    numbers = np.concatenate(arrays) if arrays else np.empty(0)
    with open(path, "wb") as file:
        np.savez(file, header=np.frombuffer(header, dtype=np.uint8), numbers=numbers)


def _load(path: Path) -> dict[str, tuple[Stamp, Run]]:
    with np.load(path, allow_pickle=False) as stored:
        header: dict[str, Any] = json.loads(stored["header"].tobytes())
        if header["code"] != code_digest():
            return {}
        numbers = stored["numbers"]
    shared = [json.loads(text) for text in header["shared"]]
    known, at = {}, 0
    for name, stamp, facts, (evaluated, trained), names in header["runs"]:
        facts |= {field: shared[facts[field]] for field in _SHARED}
        facts |= {field: tuple(map(tuple, facts[field])) for field in ("packages", "code")}
        facts |= {field: tuple(facts[field]) for field in _TUPLES}
        columns = numbers[at : at + len(_COLUMNS) * evaluated].reshape(len(_COLUMNS), evaluated)
        at += columns.size
        series = numbers[at : at + (1 + len(names)) * trained].reshape(1 + len(names), trained)
        at += series.size
        training = Training(series[0], dict(zip(names, series[1:], strict=True)))
        run = Run(**facts, evaluations=Evaluations(*columns), training=training)
        known[name] = (tuple(map(tuple, stamp)), run)
    return known
