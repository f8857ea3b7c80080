"""What each environment has met in its own episode, as embeddings, and the nearest of them."""

from functools import partial

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array, State

_MOST = 30_000  # entries of one environment (as in Badia et al. 2020); beyond it the oldest are overwritten


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
        self._entries = np.empty((num_envs, 0, size), dtype=np.float32)
        self._lengths = np.zeros(num_envs, dtype=np.int64)  # of the episodes, which may exceed the room for them

    def nearest(self, start: torch.Tensor, reached: torch.Tensor, first: torch.Tensor, count: int) -> torch.Tensor:
        """Take a rollout in; for each state the squared distances to its nearest in memory before it: [T, N, count].

        They ascend; where the memory holds fewer, they are infinite.

        Args:
            start: [T, N, D], embeddings of the observations acted on; read where an episode begins.
            reached: [T, N, D], embeddings of the true successors.
            first: bool [T, N], where an episode begins.
        """
        steps, num_envs, _ = reached.shape
        self._make_room(int(self._lengths.max()) + steps + 1)
        squared = np.full((steps, num_envs, count), np.inf, dtype=np.float32)
        rows = [np.ascontiguousarray(tensor.cpu().numpy()) for tensor in (start, reached, first)]
        _scan(self._entries, self._lengths, *rows, squared)
        return torch.from_numpy(squared).to(reached.device)

    def _make_room(self, wanted: int) -> None:
        num_envs, room, size = self._entries.shape
        if wanted > room and room < self._limit:
            grown = np.zeros((num_envs, min(2 * wanted, self._limit), size), dtype=np.float32)
            grown[:, :room] = self._entries
            self._entries = grown

    def state_dict(self) -> State:
        longest = min(int(self._lengths.max()), self._entries.shape[1])
        return {
            "entries": torch.from_numpy(self._entries[:, :longest].copy()),
            "lengths": torch.from_numpy(self._lengths.copy()),
        }

    def load_state_dict(self, state: State) -> None:
        self._entries = state["entries"].cpu().numpy().copy()
        self._lengths = state["lengths"].cpu().numpy().copy()


# Sums may be taken in another order, so that a distance takes a few vector instructions; infinities keep their meaning.
@partial(kept, fastmath={"reassoc", "contract"})
def _scan(
    entries: Array, lengths: Array, start: Array, reached: Array, first: Array, squared: Array
) -> None:  # pragma: no cover
    steps, num_envs, size = reached.shape
    room, count = entries.shape[1], squared.shape[2]
    for env in range(num_envs):
        length = lengths[env]
        for t in range(steps):
            if first[t, env]:
                length = 1
                for d in range(size):
                    entries[env, 0, d] = start[t, env, d]
            for m in range(min(length, room)):
                distance = np.float32(0.0)
                for d in range(size):
                    gap = reached[t, env, d] - entries[env, m, d]
                    distance += gap * gap
                if distance < squared[t, env, count - 1]:
                    place = count - 1
                    while place > 0 and squared[t, env, place - 1] > distance:
                        squared[t, env, place] = squared[t, env, place - 1]
                        place -= 1
                    squared[t, env, place] = distance
            for d in range(size):
                entries[env, length % room, d] = reached[t, env, d]
            length += 1
        lengths[env] = length
