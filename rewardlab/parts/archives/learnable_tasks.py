"""Tasks that were tried before, drawn by p (1 - p): those that are neither mastered nor out of reach."""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.types import Array, State

NEW = -1
_KEEP = 0.9  # of what earlier tries tell, at each new one
_TRIES = 2  # without which p is not known: of a single try p (1 - p) is always 0


class LearnableTasks:
    """Numbers of tasks, counted up from 0, and how often the tasks that are kept were solved.

    A new task is tried twice before others are drawn. p is the share of tries that solved it, each weighing 0.9 of the
    next. Where there is no room, the task with the least p (1 - p) makes it, the oldest of several, but none that is
    yet to be tried twice.

    Args:
        capacity: tasks that are kept.
        replay: the chance to draw a task that is kept instead of a new one.
    """

    def __init__(self, capacity: int, replay: float, rng: np.random.Generator) -> None:
        self._replay, self._rng = replay, rng
        self._next = 0
        self._kept = {
            "task": np.full(capacity, NEW), "asked": np.zeros(capacity, np.int64), "told": np.zeros(capacity, np.int64),
            "tries": np.zeros(capacity), "solved": np.zeros(capacity),
        }  # fmt: skip

    @property
    def tasks(self) -> Array:
        """int64 [capacity]: the numbers of the tasks that are kept; -1 where there is room."""
        return self._kept["task"]

    @property
    def learnability(self) -> Array:
        """float64 [capacity]: p (1 - p); 0 where p is not known."""
        p = self._kept["solved"] / np.maximum(self._kept["tries"], 1e-12)
        found: Array = np.where(self._kept["told"] >= _TRIES, p * (1.0 - p), 0.0)
        return found

    def draw(self) -> tuple[int, int]:
        """A place among those that are kept, and the number of the task there: one that was not there before is new."""
        kept = self._kept
        young = np.flatnonzero((kept["task"] != NEW) & (kept["asked"] < _TRIES))
        if young.size:
            at = int(young[kept["task"][young].argmin()])
        else:
            weights = self.learnability
            again = self._rng.random() < self._replay and weights.any()
            at = int(self._rng.choice(len(weights), p=weights / weights.sum())) if again else self._room()
        kept["asked"][at] += 1
        return at, int(kept["task"][at])

    def tell(self, task: int, solved: bool) -> None:
        """How a try ended; of tasks that are no longer kept nothing is noted."""
        for at in np.flatnonzero(self.tasks == task).tolist():
            kept = self._kept
            kept["told"][at] += 1
            kept["tries"][at] = _KEEP * kept["tries"][at] + 1.0
            kept["solved"][at] = _KEEP * kept["solved"][at] + float(solved)

    def state_dict(self) -> State:
        return {"next": self._next} | {name: torch.from_numpy(entry.copy()) for name, entry in self._kept.items()}

    def load_state_dict(self, state: State) -> None:
        self._next = state["next"]
        for name, entry in self._kept.items():
            entry[:] = state[name].numpy()

    def _room(self) -> int:
        """A place with a new task in it; with an old one where none may go."""
        task, told = self._kept["task"], self._kept["told"]
        may_go = np.flatnonzero((task == NEW) | (told >= _TRIES))
        if not may_go.size:
            return int(self._rng.integers(len(task)))
        worth = np.where(task == NEW, -1.0, self.learnability)[may_go]
        at = int(may_go[np.lexsort((task[may_go], worth))[0]])
        for entry in self._kept.values():
            entry[at] = 0
        task[at], self._next = self._next, self._next + 1
        return at
