"""What each environment has met in its own episode, as embeddings, and the nearest of them."""

from typing import Any

import numba
import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array, State

_MOST = 30_000  # entries of one environment (as in Badia et al. 2020); beyond it the oldest are overwritten
_BLOCK = 64  # distances that are looked over at once


class EpisodicMemory:
    """Per environment, the embeddings of the episode so far: its first observation and every state reached since.

    An episode begins with an empty memory, and outlasts rollouts. Embeddings stay as they were when they came in,
    whatever the encoder has learned since.
    """

    def __init__(self, num_envs: int, size: int, max_steps: int | None) -> None:
        """Args:
        size: D, the length of an embedding.
        max_steps: the longest an episode can be, where that is known.
        """
        self._limit = _MOST if max_steps is None else min(max_steps + 1, _MOST)
        self._entries = np.empty((num_envs, size, 0), dtype=np.float32)
        self._lengths = np.zeros(num_envs, dtype=np.int64)  # of the episodes, which may exceed the room for them

    def nearest(
        self, embedded: torch.Tensor, here: torch.Tensor, there: torch.Tensor, first: torch.Tensor, count: int
    ) -> torch.Tensor:
        """Take a rollout in; for each state the squared distances to its nearest in memory before it: [T, N, count].

        They ascend; where the memory holds fewer, they are infinite.

        Args:
            embedded: [U, D], of the rollout's distinct observations.
            here: int64 [T, N], which of them were acted on; read where an episode begins.
            there: int64 [T, N], which of them were reached.
            first: bool [T, N], where an episode begins.
        """
        steps, num_envs = first.shape
        self._make_room(int(self._lengths.max()) + steps + 1)
        squared = np.full((steps, num_envs, count), np.inf, dtype=np.float32)
        rows = [np.ascontiguousarray(tensor.cpu().numpy()) for tensor in (embedded, here, there, first)]
        _scan(self._entries, self._lengths, *rows, squared)
        return torch.from_numpy(squared).to(embedded.device)

    def _make_room(self, wanted: int) -> None:
        num_envs, size, room = self._entries.shape
        if wanted > room and room < self._limit:
            grown = np.zeros((num_envs, size, min(2 * wanted, self._limit)), dtype=np.float32)
            grown[:, :, :room] = self._entries
            self._entries = grown

    def state_dict(self) -> State:
        longest = min(int(self._lengths.max()), self._entries.shape[2])
        return {
            "entries": torch.from_numpy(self._entries[:, :, :longest].copy()).transpose(1, 2).contiguous(),
            "lengths": torch.from_numpy(self._lengths.copy()),
        }

    def load_state_dict(self, state: State) -> None:
        self._entries = state["entries"].transpose(1, 2).cpu().numpy().copy()
        self._lengths = state["lengths"].cpu().numpy().copy()


def _squared_distances(query: Array, points: Array, start: int, found: Array) -> None:  # pragma: no cover
    """Fills found [M]: how far a query [D] is from the M points from `start` on, of [D, P].

    Points side by side take a few vector instructions, where each by itself would need a sum across one.
    """
    size, stop = query.size, start + found.size
    found[:] = np.float32(0.0)
    for d in range(0, size - 3, 4):
        first, second, third, fourth = query[d], query[d + 1], query[d + 2], query[d + 3]
        ones, twos = points[d, start:stop], points[d + 1, start:stop]
        threes, fours = points[d + 2, start:stop], points[d + 3, start:stop]
        for m in range(found.size):
            a, b, c, e = first - ones[m], second - twos[m], third - threes[m], fourth - fours[m]
            found[m] += a * a + b * b + c * c + e * e
    for d in range(size - size % 4, size):
        last = points[d, start:stop]
        for m in range(found.size):
            gap = query[d] - last[m]
            found[m] += gap * gap


def _insert_all(distances: Array, nearest: Array) -> None:  # pragma: no cover
    """Put distances [M] among the least so far, [K], ascending; blocks that hold none of these are only looked over.

    From the latest on: what the encoder made lately is nearest, as a rule, and then little is moved.
    """
    last = nearest.size - 1
    for stop in range(distances.size, 0, -_BLOCK):
        block = distances[max(0, stop - _BLOCK) : stop]
        limit, below = nearest[last], np.int32(0)
        for j in range(block.size):
            below += np.int32(block[j] < limit)
        if below == 0:
            continue
        for j in range(block.size - 1, -1, -1):
            distance = block[j]
            if distance < nearest[last]:
                place = last
                while place > 0 and nearest[place - 1] > distance:
                    nearest[place] = nearest[place - 1]
                    place -= 1
                nearest[place] = distance


# Sums may be taken in another order; infinities keep their meaning. numba's own types are too narrow.
_measure: Any = numba.njit(_squared_distances, fastmath={"reassoc", "contract"})
_insert: Any = numba.njit(_insert_all)


@kept
def _scan(
    entries: Array, lengths: Array, embedded: Array, here: Array, there: Array, first: Array, squared: Array
) -> None:  # pragma: no cover
    steps, num_envs = first.shape
    room = entries.shape[2]
    latest = np.empty(len(embedded), dtype=np.int64)  # the step at which each observation was last reached
    distances = np.empty(room, dtype=np.float32)
    for env in range(num_envs):
        met, length, begun = entries[env], lengths[env], 0
        latest[:] = -1
        for t in range(steps):
            if first[t, env]:
                length, begun = 1, t
                met[:, 0] = embedded[here[t, env]]
            reached = embedded[there[t, env]]
            nearest, start = squared[t, env], 0
            before = latest[there[t, env]]
            if before >= begun and length <= room:  # what was nearest then, and what came in since
                nearest[:] = squared[before, env]
                start = length - (t - before)
            latest[there[t, env]] = t
            found = distances[: max(0, min(length, room) - start)]
            _measure(reached, met, start, found)
            _insert(found, nearest)
            met[:, length % room] = reached
            length += 1
        lengths[env] = length
