"""How often keys were visited within the episode at hand."""

from typing import Any

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.maths.counting import GOLDEN, Keys
from rewardlab.types import Array, State

_SMALLEST = 64  # slots of a table


class EpisodeCounts:
    """Visit counts of 64-bit keys within each environment's own episode, which may outlast rollouts.

    Each environment has a hash table with linear probing, at most half full, that an episode's first frame empties.
    """

    def __init__(self, num_envs: int) -> None:
        self._keys = np.zeros((num_envs, _SMALLEST), dtype=np.int64)
        self._counts = np.zeros((num_envs, _SMALLEST), dtype=np.int64)  # 0: a free slot

    def add(self, keys: Keys, starts: Keys, first: Array) -> Array:
        """Take keys [T, N] of successors in: their counts within the episode, the visit itself included, [T, N].

        The state in which an episode begins counts as visited once.

        Args:
            starts: [T, N], keys of the states in which episodes begin; read where one does.
            first: bool [T, N], where an episode begins: with an empty memory.
        """
        self._make_room(2 * len(keys))
        found = np.empty(keys.shape, dtype=np.int64)
        kernel: Any = _count  # numba's own types are too narrow
        kernel(np.ascontiguousarray(keys), np.ascontiguousarray(starts), first, self._keys, self._counts, found)
        return found

    def _make_room(self, more: int) -> None:
        fullest = int((self._counts > 0).sum(axis=1).max(initial=0)) + more
        slots = self._counts.shape[1]
        if 2 * fullest > slots:
            while 2 * fullest > slots:
                slots *= 2
            self._fill(slots, *self._entries())

    def _entries(self) -> tuple[Array, Array, Array]:
        """Environment, key and count of all that is visited, [K] each."""
        env, slot = np.nonzero(self._counts)
        return env, self._keys[env, slot], self._counts[env, slot]

    def _fill(self, slots: int, env: Array, keys: Array, counts: Array) -> None:
        num_envs = len(self._counts)
        self._keys, self._counts = np.zeros((2, num_envs, slots), dtype=np.int64)
        kernel: Any = _put
        kernel(env, keys, counts, self._keys, self._counts)

    def state_dict(self) -> State:
        names = ("env", "keys", "counts")
        entries = {name: torch.from_numpy(entry) for name, entry in zip(names, self._entries(), strict=True)}
        return entries | {"slots": self._counts.shape[1]}

    def load_state_dict(self, state: State) -> None:
        self._fill(state["slots"], *(state[name].cpu().numpy() for name in ("env", "keys", "counts")))


@kept
def _slot(key: int, keys: Array, counts: Array) -> Any:  # pragma: no cover
    """Where a table [S] has the key, or the free slot for it."""
    last = keys.size - 1
    slot = np.int64((np.uint64(key) * GOLDEN) >> np.uint64(32)) & last
    while counts[slot] > 0 and keys[slot] != key:
        slot = (slot + 1) & last
    return slot


@kept
def _count(
    visited: Array, starts: Array, first: Array, keys: Array, counts: Array, found: Array
) -> None:  # pragma: no cover
    """`EpisodeCounts.add`, on tables [N, S] that have room; found [T, N] is filled."""
    for n in range(visited.shape[1]):
        own_keys, own_counts = keys[n], counts[n]
        for t in range(visited.shape[0]):
            if first[t, n]:
                own_counts[:] = 0
                slot = _slot(starts[t, n], own_keys, own_counts)
                own_keys[slot], own_counts[slot] = starts[t, n], 1
            slot = _slot(visited[t, n], own_keys, own_counts)
            own_keys[slot] = visited[t, n]
            own_counts[slot] += 1
            found[t, n] = own_counts[slot]


@kept
def _put(env: Array, entries: Array, times: Array, keys: Array, counts: Array) -> None:  # pragma: no cover
    """Entries [K] into empty tables [N, S]."""
    for i in range(env.size):
        slot = _slot(entries[i], keys[env[i]], counts[env[i]])
        keys[env[i], slot], counts[env[i], slot] = entries[i], times[i]
