"""The mean of everything that each environment has seen so far, or of what it saw lately."""

import torch

from rewardlab.types import State


class RunningMean:
    """A mean for each of N environments, 0 before any data; sums are in float64, on the CPU."""

    def __init__(self, num_envs: int, momentum: float | None = None) -> None:
        """Args:
        momentum: share of the old mean that stays when a batch comes in; None weighs all data alike.
        """
        self._momentum = momentum
        self._mean = torch.zeros(num_envs, dtype=torch.float64)
        self._count = torch.zeros(num_envs, dtype=torch.float64)

    def add(self, data: torch.Tensor) -> None:
        """Take data [B, N] in; entries that are not finite are left out."""
        there = data.isfinite().cpu()
        count = there.sum(dim=0)
        batch = data.cpu().double().masked_fill(~there, 0.0).sum(dim=0) / count.clamp(min=1)
        total = self._count + count
        stays = self._count / total.clamp(min=1)
        if self._momentum is not None:
            stays = torch.where((self._count > 0) & (count > 0), self._momentum, stays)
        self._mean = stays * self._mean + (1.0 - stays) * batch
        self._count = total

    @property
    def mean(self) -> torch.Tensor:
        """float32 [N], on the CPU."""
        return self._mean.float()

    def state_dict(self) -> State:
        return {"mean": self._mean.clone(), "count": self._count.clone()}

    def load_state_dict(self, state: State) -> None:
        self._mean, self._count = state["mean"].to("cpu", copy=True), state["count"].to("cpu", copy=True)
