"""Adam on one vector that holds all weights, so that a step is a handful of operations however many layers there are.

Paper: Kingma and Ba 2015, Adam: a method for stochastic optimization (arXiv:1412.6980), algorithm 1
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from rewardlab.types import State

BETA1, BETA2 = 0.9, 0.999


class Adam:
    """The numbers of `torch.optim.Adam`, which costs three times as much on small networks and a second to import.

    The parameters become views of one vector and stay so; a module's `load_state_dict` and `state_dict` go on working.
    Move a module to its device first.

    Args:
        parameters: of one or several modules, all on one device.
        learning_rate: may be changed between steps.
        eps: added to the root of the second moment.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, eps: float = 1e-8) -> None:
        self.learning_rate, self.eps = learning_rate, eps
        self._parameters = list(parameters)
        self._weights = torch.cat([parameter.detach().flatten() for parameter in self._parameters])
        start = 0
        for parameter in self._parameters:
            parameter.data = self._weights[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        self._steps = 0
        self._mean, self._square = torch.zeros_like(self._weights), torch.zeros_like(self._weights)

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """Of the loss, in one vector; zero where a parameter takes no part in it."""
        parts: tuple[torch.Tensor, ...] = torch.autograd.grad(
            loss, self._parameters, allow_unused=True, materialize_grads=True
        )
        return torch.cat([part.flatten() for part in parts])

    @torch.no_grad()
    def step(self, gradient: torch.Tensor) -> None:
        """Move the weights against `gradient`."""
        self._steps += 1
        self._mean.lerp_(gradient, 1.0 - BETA1)
        self._square.mul_(BETA2).addcmul_(gradient, gradient, value=1.0 - BETA2)
        spread = self._square.sqrt().div_(math.sqrt(1.0 - BETA2**self._steps)).add_(self.eps)
        self._weights.addcdiv_(self._mean, spread, value=-self.learning_rate / (1.0 - BETA1**self._steps))

    def descend(self, loss: torch.Tensor) -> None:
        """One step down the loss."""
        self.step(self.gradient(loss))

    def state_dict(self) -> State:
        return {"steps": self._steps, "mean": self._mean.clone(), "square": self._square.clone()}

    def load_state_dict(self, state: State) -> None:
        self._steps = state["steps"]
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])


def clip_norm(gradient: torch.Tensor, most: float) -> torch.Tensor:
    """Shorten a gradient in place to the norm `most`; returns the norm that it had, a scalar tensor."""
    norm: torch.Tensor = torch.linalg.vector_norm(gradient)
    gradient.mul_((most / (norm + 1e-6)).clamp(max=1.0))
    return norm
