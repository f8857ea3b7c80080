"""How often keys were visited over a lifetime."""

import numpy as np
import torch

from rewardlab.maths.counting import Keys, running_counts
from rewardlab.types import Array, State


class VisitCounts:
    """Lifelong visit counts of 64-bit keys, in a sorted table.

    A rollout costs two binary searches and, where it met new keys, one copy of the table: a few milliseconds at
    a million entries.
    """

    def __init__(self) -> None:
        self._keys = np.empty(0, dtype=np.int64)
        self._counts = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        """Distinct keys so far."""
        return self._keys.size

    @property
    def keys(self) -> Keys:
        """Every key visited so far, ascending [K]."""
        return self._keys

    def add(self, keys: Keys) -> Array:
        """Take keys [T, N] in, one whole time step after another: the count of each after its own step, [T, N]."""
        before = self.look_up(keys)
        counts = before + running_counts(keys)
        visited, times = np.unique(keys, return_counts=True)
        place = np.searchsorted(self._keys, visited)
        known = self._is_at(place, visited)
        self._counts[place[known]] += times[known]
        if not known.all():
            self._keys = np.insert(self._keys, place[~known], visited[~known])
            self._counts = np.insert(self._counts, place[~known], times[~known])
        return counts

    def look_up(self, keys: Keys) -> Array:
        """The visits so far of each of some keys, [...] -> int64 [...]."""
        place = np.searchsorted(self._keys, keys)
        found = self._is_at(place, keys)
        counts = np.zeros(keys.shape, dtype=np.int64)
        counts[found] = self._counts[place[found]]
        return counts

    def keep(self, keys: Keys) -> None:
        """Forget every key that is not among `keys` [K]."""
        kept = np.isin(self._keys, keys)
        self._keys, self._counts = self._keys[kept], self._counts[kept]

    def state_dict(self) -> State:
        return {"keys": torch.from_numpy(self._keys.copy()), "counts": torch.from_numpy(self._counts.copy())}

    def load_state_dict(self, state: State) -> None:
        self._keys = state["keys"].cpu().numpy().copy()
        self._counts = state["counts"].cpu().numpy().copy()

    def _is_at(self, place: Array, keys: Keys) -> Array:
        """bool [...]: whether the table holds keys [...] at those places."""
        if not self._keys.size:
            return np.zeros(keys.shape, dtype=bool)
        found: Array = self._keys[np.minimum(place, self._keys.size - 1)] == keys
        return found
