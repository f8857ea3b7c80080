"""Time that was spent, means between rows, and what is due when."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from rewardlab.types import Metrics, State


@dataclass
class Clock:
    """Time spent on a run, over all its continuations, in seconds; `training` is without evaluations."""

    wall_before: float = 0.0
    cpu_before: float = 0.0
    training: float = 0.0

    def __post_init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def wall_seconds(self) -> float:
        return self.wall_before + time.perf_counter() - self._wall

    def cpu_seconds(self) -> float:
        return self.cpu_before + time.process_time() - self._cpu


class Means:
    """Means of metrics over the iterations since the last row; of `counts` the latest values."""

    def __init__(self, counts: Collection[str] = ()) -> None:
        self._counted = frozenset(counts)
        self._sums: Metrics = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Metrics) -> None:
        for key, value in metrics.items():
            if key in self._counted:
                self._sums[key], self._counts[key] = value, 1
                continue
            self._sums[key] = self._sums.get(key, 0.0) + value
            self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> Metrics:
        means = {key: value / self._counts[key] for key, value in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> State:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: State) -> None:
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])


class Cadence:
    """What happens about every so many frames: at the first iteration's end past each multiple."""

    def __init__(self, every: int | None) -> None:
        assert every is not None, "defaults are filled in at composition"
        self.every = every
        self.next = 0

    def due(self, frames: int) -> bool:
        return frames >= self.next

    def done(self, frames: int) -> None:
        self.next = (frames // self.every + 1) * self.every
