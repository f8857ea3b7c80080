"""A network that says what a single step is worth, learned from losses on many steps at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from rewardlab.networks.adam import Adam
from rewardlab.networks.fused import FusedMLP, can_fuse
from rewardlab.types import State


class StepRewards:
    """[..., D] -> [...]."""

    def __init__(self, network: nn.Sequential, learning_rate: float) -> None:
        self.network = network
        self.optimiser = Adam(network.parameters(), learning_rate)
        self._fused: FusedMLP | None = None
        if can_fuse(network):
            self._gradient, places = self.optimiser.gradients()
            self._fused = FusedMLP(network, places)

    @torch.no_grad()
    def of(self, inputs: torch.Tensor) -> torch.Tensor:
        found = self.network(inputs) if self._fused is None else self._fused.predict(inputs)
        rewards: torch.Tensor = found.squeeze(-1)
        return rewards

    def learn(self, inputs: torch.Tensor, loss_of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """A gradient step down the loss, a scalar, of the rewards [B] of inputs [B, D]; the loss before it."""
        if self._fused is None:
            loss = loss_of(self.network(inputs).squeeze(-1))
            self.optimiser.descend(loss)
            return loss.detach()
        rewards = self._fused.forward(inputs).squeeze(-1).clone().requires_grad_()
        loss = loss_of(rewards)
        (slope,) = torch.autograd.grad(loss, rewards)
        self._fused.backward(slope.unsqueeze(-1).contiguous())
        self.optimiser.step(self._gradient)
        return loss.detach()

    def state_dict(self) -> State:
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
