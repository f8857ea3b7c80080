"""Runs as they were read before, in the user's cache folder: plain JSON, nothing to unpickle.

It lies in the cache folder and never among the results: what other people send is read, not believed.
"""

import contextlib
import hashlib
import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from rewardlab.machine import user_cache
from rewardlab.records.files import write_atomic
from rewardlab.report.reading.evaluations import Evaluations, FloatArray
from rewardlab.report.reading.run_folder import Run
from rewardlab.report.reading.training import Training

Stamp = tuple[tuple[str, int, int, int], ...]
"""(file name, size, time in nanoseconds, inode) of each file of a run."""

_TABLES = ("suite", "replicates", "within")  # of a run, beside those of all


class ReadingCache:
    """The runs below one results folder. A cache that is damaged, foreign or from other code is an empty one."""

    def __init__(self, root: Path) -> None:
        key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
        self._path = cache_folder() / f"runs-{key}.json"
        self._known: dict[str, tuple[Stamp, Run]] = {}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            self._known = _load(self._path)

    def get(self, name: str, stamp: Stamp) -> Run | None:
        """The run in a folder, if it was read before and its files are those of then."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == stamp else None

    def keep(self, runs: Mapping[str, tuple[Stamp, Run]]) -> None:
        """Replaces what is kept. Without a place for it nothing is kept, and the next report reads anew."""
        if {name: stamp for name, (stamp, _) in runs.items()} == {n: stamp for n, (stamp, _) in self._known.items()}:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, _packed(runs))


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


def _packed(runs: Mapping[str, tuple[Stamp, Run]]) -> bytes:
    entries = []
    for name, (stamp, run) in runs.items():
        training = {"frames": run.training.frames} | run.training.series
        facts = vars(run) | {"evaluations": _texts(vars(run.evaluations)), "training": _texts(training)}
        facts |= {"totals": _texts(run.training.totals), "score": run.training.score}
        facts |= {name: _texts(getattr(run, name)) for name in _TABLES}
        entries.append((name, stamp, facts))
    return json.dumps({"code": code_digest(), "runs": entries}).encode()


def _load(path: Path) -> dict[str, tuple[Stamp, Run]]:
    stored = json.loads(path.read_text())
    known = {}
    for name, stamp, facts in stored["runs"] if stored["code"] == code_digest() else ():
        facts |= {field: tuple(facts[field]) for field in ("assumes", "blemishes")}
        series = _columns(facts.pop("training"))
        totals, score = _columns(facts.pop("totals")), facts.pop("score")
        facts |= {"training": Training(series.pop("frames"), series, totals, score)}
        facts |= {"evaluations": Evaluations(**_columns(facts["evaluations"]))}
        facts |= {name: _columns(facts[name]) for name in _TABLES}
        known[name] = (tuple(map(tuple, stamp)), Run(**facts))
    return known


def _texts(columns: Mapping[str, FloatArray]) -> dict[str, str]:
    return {name: b64encode(column.tobytes()).decode() for name, column in columns.items()}


def _columns(texts: Mapping[str, str]) -> dict[str, FloatArray]:
    return {name: np.frombuffer(b64decode(text)) for name, text in texts.items()}
