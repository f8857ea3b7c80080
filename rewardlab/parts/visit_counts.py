"""How often keys were visited: over a lifetime, or within the episode at hand."""

import numpy as np
import torch

from rewardlab.maths.counting import Keys, combine_keys, running_counts
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


class EpisodeCounts:
    """Visit counts of 64-bit keys within each environment's own episode, which may outlast rollouts."""

    def __init__(self, num_envs: int) -> None:
        self._visits = VisitCounts()
        self._owners = np.empty(0, dtype=np.int64)  # the episode of each entry in the table, in its order
        self._episode = np.arange(num_envs, dtype=np.int64)  # each environment's; no two ever share a number
        self._start = np.zeros(num_envs, dtype=np.int64)  # the key with which it began

    def add(self, keys: Keys, starts: Keys, first: Array, last_first: Array) -> Array:
        """Take keys [T, N] of successors in: their counts within the episode, the visit itself included, [T, N].

        The state in which an episode begins counts as visited once.

        Args:
            starts: [T, N], keys of the states in which episodes begin; read where one does.
            first: bool [T, N], where an episode begins: with an empty memory.
            last_first: bool [N], where one begins after the last step.
        """
        num_envs = self._episode.size
        started = self._starts_so_far(starts, first)
        episodes = self._episode + num_envs * np.cumsum(first, axis=0)
        own_keys = combine_keys(keys, episodes)
        in_table = self._visits.keys
        counts: Array = self._visits.add(own_keys) + (keys == started)
        self._episode = episodes[-1] + num_envs * last_first
        self._forget_finished(np.append(in_table, own_keys), np.append(self._owners, episodes))
        return counts

    def _starts_so_far(self, starts: Keys, first: Array) -> Keys:
        """The key with which the episode of each step began, [T, N]."""
        latest = np.maximum.accumulate(np.where(first, np.arange(len(first))[:, None], -1), axis=0)
        here = np.take_along_axis(starts, np.maximum(latest, 0), axis=0)
        began: Keys = np.where(latest >= 0, here, self._start).astype(np.int64, copy=False)
        self._start = began[-1].copy()
        return began

    def _forget_finished(self, keys: Keys, owners: Array) -> None:
        going_on = np.isin(owners, self._episode)
        kept, where = np.unique(keys[going_on], return_index=True)
        self._visits.keep(kept)
        self._owners = owners[going_on][where]

    def state_dict(self) -> State:
        return {
            "visits": self._visits.state_dict(),
            "owners": torch.from_numpy(self._owners.copy()),
            "episode": torch.from_numpy(self._episode.copy()),
            "start": torch.from_numpy(self._start.copy()),
        }

    def load_state_dict(self, state: State) -> None:
        self._visits.load_state_dict(state["visits"])
        self._owners = state["owners"].cpu().numpy().copy()
        self._episode = state["episode"].cpu().numpy().copy()
        self._start = state["start"].cpu().numpy().copy()
