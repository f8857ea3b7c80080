"""A replay buffer that draws a step the more often, the more there was to learn from it.

Source: Schaul et al. 2016, Prioritized experience replay (arXiv:1511.05952), proportional variant, eq. 1 and
section 3.4. New steps get the largest priority so far, so that each is drawn soon.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.parts.buffers.replay import Replay
from rewardlab.types import Array, State, Transitions

_SMALLEST = 1e-6  # a priority of 0 would never be drawn again


class PrioritisedReplay(Replay):
    """The same ring, drawn by priorities.

    Args:
        alpha: how much priorities count; 0 draws uniformly.
        beta: how much the weights correct for that; 1 fully.
    """

    def __init__(self, capacity: int, alpha: float, beta: float, device: torch.device | None = None) -> None:
        super().__init__(capacity, device)
        self.alpha, self.beta = alpha, beta
        self._priorities = np.zeros(capacity)
        self._scaled = np.zeros(capacity)  # priority^alpha
        self._largest = 1.0

    def add(self, steps: Transitions) -> Array:
        places = super().add(steps)
        self._put(places, self._largest)
        return places

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Transitions, Array]:
        """Steps [size] with their importance weights, in (0, 1], as `extra["weight"]`; and their places, int64 [size].

        Weights are divided by the largest in the buffer. There must be steps.
        """
        scaled = self._scaled[: self._count]
        cumulative = np.cumsum(scaled)
        drawn = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
        places = np.minimum(drawn, self._count - 1)
        weights = (scaled[places] / scaled.min()) ** -self.beta
        batch = self.at(places)
        batch.extra["weight"] = torch.from_numpy(weights.astype(np.float32)).to(batch.action.device)
        return batch, places

    def set_priorities(self, places: Array, priorities: Array) -> None:
        """Of the steps at those places, [B]: how much there was to learn."""
        priorities = np.maximum(priorities, _SMALLEST)
        self._put(places, priorities)
        self._largest = max(self._largest, float(priorities.max()))

    def _put(self, places: Array, priorities: Array | float) -> None:
        self._priorities[places] = priorities
        self._scaled[places] = self._priorities[places] ** self.alpha

    def state_dict(self) -> State:
        priorities = torch.from_numpy(self._priorities[: self._count].copy())
        return super().state_dict() | {"priorities": priorities, "largest": self._largest}

    def load_state_dict(self, state: State) -> None:
        # Checkpoints of before there was a uniform buffer count their priorities alone.
        super().load_state_dict({"count": len(state["priorities"])} | state)
        self._priorities[:], self._scaled[:] = 0.0, 0.0
        self._put(np.arange(self._count), state["priorities"].numpy())
        self._largest = state["largest"]
