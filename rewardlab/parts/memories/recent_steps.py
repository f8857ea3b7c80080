"""The features of the latest vector steps of all environments."""

import torch

from rewardlab.types import State


class RecentSteps:
    """A memory of whole time steps, so that the order of the environments does not matter; the oldest go first."""

    def __init__(self, steps: int, num_envs: int, size: int, device: torch.device | str = "cpu") -> None:
        self._steps = steps
        self._features = torch.empty(0, num_envs, size, device=device)

    @property
    def all(self) -> torch.Tensor:
        """What is remembered, [steps * N, D]; at first fewer."""
        return self._features.flatten(0, 1)

    def add(self, features: torch.Tensor) -> None:
        """Take features [T, N, D] in."""
        joined = torch.cat([self._features, features])
        self._features = joined[max(0, len(joined) - self._steps) :].clone()

    def state_dict(self) -> State:
        return {"features": self._features.clone()}

    def load_state_dict(self, state: State) -> None:
        self._features = state["features"].to(self._features.device, copy=True)
