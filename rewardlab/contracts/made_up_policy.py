"""A policy that says how likely it finds actions, for schemes that ask."""

from __future__ import annotations

import torch

from rewardlab.contracts.result import require
from rewardlab.types import EnvSpec, TensorObs


class MadeUpPolicy:
    """Says of steps of the world how likely a policy finds their actions, which depends on them by `slope` alone.

    Raises:
        Broken: these are no steps of the world.
    """

    def __init__(self, spec: EnvSpec, slope: float = 0.3) -> None:
        self._spec, self._slope, self.asked = spec, slope, 0

    def __call__(self, obs: TensorObs, action: torch.Tensor) -> torch.Tensor:
        taken = self._spec.action
        expected = {name: ((len(action), *spec.shape), spec.dtype) for name, spec in self._spec.obs.items()}
        found = {name: (tuple(entry.shape), str(entry.dtype).removeprefix("torch.")) for name, entry in obs.items()}
        require(found == expected, f"asked the policy of {found}, and steps of the world are {expected}")
        actions = (len(action), *taken.shape), torch.int64 if taken.discrete else torch.float32
        require((tuple(action.shape), action.dtype) == actions, f"asked the policy of actions like {action[:1]}")
        self.asked += 1
        return -1.0 - self._slope * action.float().reshape(len(action), -1).mean(dim=1)
