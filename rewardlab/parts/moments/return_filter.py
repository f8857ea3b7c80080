"""Intrinsic rewards divided by the running standard deviation of their discounted return."""

import torch

from rewardlab.maths.intrinsic import forward_filter
from rewardlab.parts.moments.running_moments import RunningMoments
from rewardlab.types import State


class ReturnFilter:
    """Keeps a reward on one scale while what it measures fades (Burda et al. 2018, section 2.4).

    The discounted sum of the rewards so far runs along time, in each environment for itself, through the ends
    of episodes and of rollouts. Rewards are not centred: their sign stays. The sums are kept on the CPU, in float64;
    what the rewards are divided by is on `device`.
    """

    def __init__(self, num_envs: int, gamma: float, device: torch.device | str = "cpu") -> None:
        self.gamma = gamma
        self._carry = torch.zeros(num_envs, dtype=torch.float64)
        self._moments = RunningMoments((), device)

    def normalise(self, rewards: torch.Tensor) -> torch.Tensor:
        """Take rewards [T, N] in, then divide them by the standard deviation: float32 [T, N]."""
        filtered = forward_filter(rewards.cpu(), self._carry, self.gamma)
        self._carry = filtered[-1]
        self._moments.add(filtered.flatten())
        return self.scale(rewards)

    def add_sums(self, sums: torch.Tensor) -> None:
        """Take discounted sums [B] in that were found elsewhere."""
        self._moments.add(sums)

    def scale(self, rewards: torch.Tensor) -> torch.Tensor:
        """Rewards of any shape divided by the standard deviation as it is."""
        return rewards / self._moments.std

    @property
    def std(self) -> float:
        """Of the discounted sums so far."""
        return float(self._moments.std)

    def state_dict(self) -> State:
        return {"carry": self._carry.clone(), "moments": self._moments.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._carry = state["carry"].to("cpu", copy=True)
        self._moments.load_state_dict(state["moments"])
