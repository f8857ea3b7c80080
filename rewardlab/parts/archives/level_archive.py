"""Levels that are worth being played again: scored, drawn by score and age, replaced by better ones.

Jiang et al. 2021, Prioritized level replay; the rules of facebookresearch/dcd.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array, State


class LevelArchive:
    """Up to `capacity` slots. Levels lie with whoever uses it; a slot holds numbers about one.

    A slot's weight is (1 - staleness_share) P_S + staleness_share P_C: P_S goes by rank^(-1 / temperature),
    the highest score having rank 1, and P_C by how many draws ago the slot was drawn.

    Args:
        temperature: T; the smaller, the more the best are preferred.
        staleness_share: of the weight by age.
    """

    def __init__(self, capacity: int, temperature: float, staleness_share: float, students: int = 1) -> None:
        self.capacity, self._share = capacity, staleness_share
        self._power = np.arange(1, capacity + 1) ** (-1 / temperature)
        self._scores = np.zeros(capacity)
        self._rank = np.zeros(capacity, dtype=np.int64)  # from 0; of equal scores the lower slot comes first
        self._staleness = np.zeros(capacity, dtype=np.int64)
        self._highest = np.full((capacity, students), -np.inf)
        self._keys: list[bytes] = []
        self._slots: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def fill(self) -> float:
        """Share of slots that hold a level."""
        return len(self) / self.capacity

    @property
    def scores(self) -> Array:
        """float64 [K], of the slots that are filled, in order of their numbers."""
        return self._scores[: len(self)]

    @property
    def staleness(self) -> Array:
        """int64 [K], draws since each was last drawn."""
        return self._staleness[: len(self)]

    @property
    def highest(self) -> Array:
        """float64 [K, S], best returns of each student on the level, or -inf."""
        return self._highest[: len(self)]

    @property
    def weights(self) -> Array:
        """float64 [K], which sum to 1."""
        found = np.empty(len(self))
        _weigh(self._power, self._rank, self.staleness, self._share, found)
        return found

    def slot_of(self, key: bytes) -> int | None:
        """Where a level lies, by what tells levels apart."""
        return self._slots.get(key)

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Slots, int64 [count], one after the other: each draw makes all others older."""
        drawn = np.empty(count, dtype=np.int64)
        _draw(self._power, self._rank, self.staleness, self._share, rng.random(count), np.empty(len(self)), drawn)
        return drawn

    def insert(self, key: bytes, score: float, highest: Array, staleness: int = 0) -> int | None:
        """Put a level in: into a free slot, or in the place of the slot with the least weight if it scores no less.

        Args:
            highest: float64 [S].
            staleness: draws since the level was first seen.

        Returns:
            Its slot; None: it is refused.
        """
        assert key not in self._slots
        slot = len(self)
        if slot < self.capacity:
            self._keys.append(key)
            self._rank[slot] = slot  # behind all others, from where `_rerank` takes it
        else:
            slot = int(_weigh(self._power, self._rank, self.staleness, self._share, np.empty(slot)))
            if score < self._scores[slot]:
                return None
            del self._slots[self._keys[slot]]
            self._keys[slot] = key
        self._slots[key], self._staleness[slot], self._highest[slot] = slot, staleness, highest
        _rerank(self._scores, self._rank, len(self), slot, score)
        return slot

    def score_anew(self, slot: int, score: float, highest: Array) -> None:
        """Of a level that was played again."""
        _rerank(self._scores, self._rank, len(self), slot, score)
        self.raise_highest(slot, highest)

    def raise_highest(self, slot: int, highest: Array) -> None:
        """Of a level that was played again, and got no score."""
        self._highest[slot] = np.maximum(self._highest[slot], highest)

    def state_dict(self) -> State:
        keys = np.frombuffer(b"".join(self._keys), dtype=np.uint8).reshape(len(self), -1) if len(self) else None
        arrays = {"scores": self.scores, "rank": self._rank[: len(self)], "staleness": self.staleness}
        return {
            name: torch.from_numpy(entry.copy()) for name, entry in (arrays | {"highest": self.highest}).items()
        } | {"keys": None if keys is None else torch.from_numpy(keys.copy())}

    def load_state_dict(self, state: State) -> None:
        keys = state["keys"]
        self._keys = [] if keys is None else [row.tobytes() for row in keys.numpy()]
        self._slots = {key: slot for slot, key in enumerate(self._keys)}
        for name, into in (
            ("scores", self._scores),
            ("rank", self._rank),
            ("staleness", self._staleness),
            ("highest", self._highest),
        ):
            into[: len(self)] = state[name].numpy()


def _weigh_all(power: Array, rank: Array, staleness: Array, share: float, weights: Array) -> int:  # pragma: no cover
    """Fill the weights; where the least is."""
    count, least = weights.size, 0
    by_score, by_age = 0.0, 0
    for k in range(count):
        by_score += power[k]
        by_age += staleness[k]
    of_score, of_age = (1.0 - share) / by_score, share / by_age if by_age > 0 else 0.0
    same = 0.0 if by_age > 0 else share / count
    for k in range(count):
        weights[k] = of_score * power[rank[k]] + of_age * staleness[k] + same
        if weights[k] < weights[least]:
            least = k
    return least


def _draw_all(
    power: Array, rank: Array, staleness: Array, share: float, uniform: Array, by_score: Array, drawn: Array
) -> None:  # pragma: no cover
    """`by_score` is overwritten."""
    count, total, by_age = staleness.size, 0.0, 0
    for k in range(count):
        total += power[k]
        by_age += staleness[k]
    for k in range(count):
        by_score[k] = (1.0 - share) / total * power[rank[k]]
    for n in range(uniform.size):
        of_age, same = share / by_age if by_age > 0 else 0.0, 0.0 if by_age > 0 else share / count
        left, at = uniform[n] - by_score[0] - of_age * staleness[0] - same, 0
        while left >= 0.0 and at < count - 1:
            at += 1
            left -= by_score[at] + of_age * staleness[at] + same
        for k in range(count):
            staleness[k] += 1
        by_age += count - staleness[at]
        staleness[at], drawn[n] = 0, at


def _rerank_one(scores: Array, rank: Array, count: int, slot: int, score: float) -> None:  # pragma: no cover
    """Give one of the first `count` slots another score, and all of them the ranks that follow."""
    before, after = rank[slot], 0
    for k in range(count):
        if k != slot:
            if rank[k] > before:
                rank[k] -= 1
            if scores[k] > score or (scores[k] == score and k < slot):
                after += 1
    for k in range(count):
        if k != slot and rank[k] >= after:
            rank[k] += 1
    scores[slot], rank[slot] = score, after


_weigh = kept(_weigh_all)
_draw = kept(_draw_all)
_rerank = kept(_rerank_one)
