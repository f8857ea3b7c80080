"""Whether the next part of the budget goes to exploration or to what was found.

Source: the schedulers of the STAX repository.

alternating   one after the other
coin          as likely one as the other
budget_coin   exploration with the probability that is the share of the budget that is left
ucb           whatever has the higher upper confidence bound, Q + sqrt(ln(n) / n of it); Q is the mean of what each got
"""

from __future__ import annotations

import math

import numpy as np
import torch

from rewardlab.types import State

KINDS = ("alternating", "coin", "budget_coin", "ucb")
_EXPLORE, _EXPLOIT = 0, 1


class Schedule:
    """Chunk after chunk. Nothing but exploration comes first, or where there is nothing to exploit.

    Args:
        kind: of `KINDS`.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._latest = _EXPLOIT
        self._counts, self._means = np.zeros(2, dtype=np.int64), np.zeros(2)

    def explores(self, found: bool, progress: float, rng: np.random.Generator) -> bool:
        """Whether the next chunk does. `found`: whether there is anything to exploit; `progress`: spent budget."""
        if not found or not self._counts.any():
            self._latest = _EXPLORE
        elif self._kind == "alternating":
            self._latest = _EXPLORE if self._latest == _EXPLOIT else _EXPLOIT
        elif self._kind == "ucb":
            self._latest = int(np.argmax([self._bound(arm) for arm in (_EXPLORE, _EXPLOIT)]))
        else:
            share = 0.5 if self._kind == "coin" else 1.0 - progress
            self._latest = _EXPLORE if rng.random() < share else _EXPLOIT
        return self._latest == _EXPLORE

    def learn(self, reward: float) -> None:
        """How good the chunk was that has ended."""
        self._counts[self._latest] += 1
        self._means[self._latest] += (reward - self._means[self._latest]) / self._counts[self._latest]

    def _bound(self, arm: int) -> float:
        count = int(self._counts[arm])
        return float(self._means[arm]) + math.sqrt(math.log(self._counts.sum()) / count) if count else math.inf

    def state_dict(self) -> State:
        counts, means = torch.from_numpy(self._counts.copy()), torch.from_numpy(self._means.copy())
        return {"latest": self._latest, "counts": counts, "means": means}

    def load_state_dict(self, state: State) -> None:
        self._latest = state["latest"]
        self._counts, self._means = state["counts"].numpy().copy(), state["means"].numpy().copy()
