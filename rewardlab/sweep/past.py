"""What finished runs took, and so what others of their kind may be expected to take."""

import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heapreplace
from pathlib import Path
from typing import Any

from rewardlab.records.files import read_json
from rewardlab.records.status import read_status

_SAME_ENV_AND_AGENT = ("env.name", "env.id", "agent.name", "device")
# From near to far: what has to be equal in two configs.
_KINDS = (
    (*_SAME_ENV_AND_AGENT, "reward.name", "curriculum.name", "num_envs"),
    (*_SAME_ENV_AND_AGENT, "reward.name", "curriculum.name"),
    _SAME_ENV_AND_AGENT,
)


@dataclass(frozen=True)
class Finished:
    """A run that has ended: its config by dotted key, its training frames, and the seconds that they took."""

    folder: Path
    config: Mapping[str, Any]
    frames: int
    seconds: float

    @cached_property
    def size(self) -> int:
        return folder_size(self.folder)


@dataclass(frozen=True)
class Expected:
    """What a run of some kind takes.

    frames_per_second: of one process, evaluations and all.
    size: bytes of its folder when it has ended.
    """

    frames_per_second: float
    size: int


class Past:
    """Finished runs by their kind.

    Args:
        results: folders that hold results.
    """

    def __init__(self, results: Iterable[Path]) -> None:
        self._runs: dict[tuple[Any, ...], list[Finished]] = defaultdict(list)
        for run in (run for folder in results for run in finished_runs(folder)):
            for kind in _KINDS:
                self._runs[_kind(kind, run.config)].append(run)
        self._known: dict[tuple[Any, ...], Expected | None] = {}

    def expected(self, config: Mapping[str, Any]) -> Expected | None:
        """Of a run with this config: medians over those of the nearest kind that there are; None if there are none."""
        keys = (_kind(kind, config) for kind in _KINDS)
        key = next((key for key in keys if key in self._runs), None)
        if key is None:
            return None
        if key not in self._known:
            runs = self._runs[key]
            speed = statistics.median(run.frames / run.seconds for run in runs)
            self._known[key] = Expected(speed, int(statistics.median(run.size for run in runs)))
        return self._known[key]


def finished_runs(results: Path) -> Iterator[Finished]:
    """The finished runs of a results folder; what is damaged tells nothing."""
    for current, folders, files in os.walk(results / "runs", followlinks=False):
        if "status.json" not in files:
            continue
        folders.clear()
        folder = Path(current)
        status = read_status(folder)[0]
        if status is None or status.state != "finished":
            continue
        config = (read_json(folder / "manifest.json")[0] or {}).get("config")
        seconds = (read_json(folder / "summary.json")[0] or {}).get("wall_seconds")
        if isinstance(config, dict) and isinstance(seconds, (int, float)) and seconds > 0 and status.frames > 0:
            yield Finished(folder, config, status.frames, float(seconds))


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; 0 where it is not there."""
    return sum(
        os.lstat(path).st_size
        for current, _, files in os.walk(folder, followlinks=False)
        for path in (os.path.join(current, name) for name in files)
        if os.path.lexists(path)
    )


def together(seconds: Iterable[float], at_once: int) -> float:
    """How long jobs take that are started in their order, so many at once: each as soon as another has ended."""
    free = [0.0] * at_once
    for each in seconds:
        heapreplace(free, free[0] + each)
    return max(free)


def _kind(keys: Iterable[str], config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((key, str(config.get(key))) for key in keys)
