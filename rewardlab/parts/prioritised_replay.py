"""A replay buffer that draws a step the more often, the more there was to learn from it.

Source: Schaul et al. 2016, Prioritized experience replay (arXiv:1511.05952), proportional variant, eq. 1 and
section 3.4. New steps get the largest priority so far, so that each is drawn soon.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.types import Array, State, TensorObs, Transitions

_SMALLEST = 1e-6  # a priority of 0 would never be drawn again


class PrioritisedReplay:
    """Steps in a ring of `capacity`, the oldest overwritten first.

    Args:
        alpha: how much priorities count; 0 draws uniformly.
        beta: how much the weights correct for that; 1 fully.
    """

    def __init__(self, capacity: int, alpha: float, beta: float) -> None:
        self.capacity, self.alpha, self.beta = capacity, alpha, beta
        self._steps: TensorObs | None = None  # every entry [capacity, ...], written before it is read
        self._obs_names: list[str] = []
        self._priorities = np.zeros(capacity)
        self._count = 0
        self._next = 0
        self._largest = 1.0

    def __len__(self) -> int:
        return self._count

    def add(self, steps: Transitions) -> None:
        """Take steps [B] in; of more than the capacity, the last."""
        columns = _columns(steps)
        total = len(steps.action)
        if self._steps is None:
            self._obs_names = list(steps.obs)
            self._steps = {name: column.new_zeros(self.capacity, *column.shape[1:]) for name, column in columns.items()}
        kept = min(total, self.capacity)
        places = (self._next + np.arange(kept)) % self.capacity
        index = torch.from_numpy(places)
        for name, column in columns.items():
            self._steps[name][index.to(column.device)] = column[total - kept :]
        self._priorities[places] = self._largest
        self._next = int((self._next + kept) % self.capacity)
        self._count = min(self._count + kept, self.capacity)

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Transitions, Array]:
        """Steps [size] with their importance weights, in (0, 1], as `extra["weight"]`; and their places, int64 [size].

        Weights are divided by the largest in the buffer. There must be steps.
        """
        assert self._steps is not None and self._count > 0
        scaled = self._priorities[: self._count] ** self.alpha
        cumulative = np.cumsum(scaled)
        drawn = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
        places = np.minimum(drawn, self._count - 1)
        weights = (scaled[places] / scaled.min()) ** -self.beta
        index = torch.from_numpy(places).to(next(iter(self._steps.values())).device)
        columns = {name: column[index] for name, column in self._steps.items()}
        obs = {name: columns.pop(f"obs.{name}") for name in self._obs_names}
        action = columns.pop("action")
        weight = torch.from_numpy(weights.astype(np.float32)).to(index.device)
        return Transitions(obs, action, columns | {"weight": weight}), places

    def set_priorities(self, places: Array, priorities: Array) -> None:
        """Of the steps at those places, [B]: how much there was to learn."""
        priorities = np.maximum(priorities, _SMALLEST)
        self._priorities[places] = priorities
        self._largest = max(self._largest, float(priorities.max()))

    def state_dict(self) -> State:
        kept = {} if self._steps is None else {n: column[: self._count].clone() for n, column in self._steps.items()}
        return {
            "steps": kept,
            "obs_names": list(self._obs_names),
            "priorities": torch.from_numpy(self._priorities[: self._count].copy()),
            "next": self._next,
            "largest": self._largest,
        }

    def load_state_dict(self, state: State) -> None:
        self._priorities[:] = 0.0
        self._count = len(state["priorities"])
        self._priorities[: self._count] = state["priorities"].numpy()
        self._next, self._largest = state["next"], state["largest"]
        self._obs_names = list(state["obs_names"])
        self._steps = None
        if self._count:
            self._steps = {}
            for name, column in state["steps"].items():
                self._steps[name] = column.new_zeros(self.capacity, *column.shape[1:])
                self._steps[name][: self._count] = column


def _columns(steps: Transitions) -> TensorObs:
    named = {f"obs.{name}": entry for name, entry in steps.obs.items()}
    return named | {"action": steps.action} | steps.extra
