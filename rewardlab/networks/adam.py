"""Adam on one vector that holds all weights, so that a step is a handful of operations however many layers there are.

Paper: Kingma and Ba 2015, Adam: a method for stochastic optimization (arXiv:1412.6980), algorithm 1
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import torch
from torch import nn

from rewardlab.maths.compiled import compiles
from rewardlab.networks import fused_kernels
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
        self._places = _places(self._parameters)
        for parameter, place in zip(self._parameters, self._places, strict=True):
            parameter.data = self._weights[place].view_as(parameter)
        self._steps = 0
        self._mean, self._square = torch.zeros_like(self._weights), torch.zeros_like(self._weights)
        vectors = (self._weights, self._mean, self._square)
        self._arrays = [vector.numpy() for vector in vectors] if compiles(self._weights) else None

    def gradients(self) -> tuple[torch.Tensor, dict[torch.Tensor, torch.Tensor]]:
        """A vector that `step` takes, to be filled by hand, and the place of each parameter in it."""
        vector = torch.zeros_like(self._weights)
        placed = zip(self._parameters, self._places, strict=True)
        return vector, {parameter: vector[place].view_as(parameter) for parameter, place in placed}

    def places(self, parameters: Iterable[nn.Parameter]) -> list[slice]:
        """Where some of the parameters are in such a vector; neighbours are one place."""
        wanted = set(parameters)
        every = zip(self._parameters, self._places, strict=True)
        return _joined(place for parameter, place in every if parameter in wanted)

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """Of the loss, in one vector; zero where a parameter takes no part in it."""
        return self.gradient_and_unread(loss)[0]

    def gradient_and_unread(self, loss: torch.Tensor) -> tuple[torch.Tensor, list[slice]]:
        """The gradient, and the places in it of parameters that take no part in the loss."""
        parts = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        unread = _joined(place for part, place in zip(parts, self._places, strict=True) if part is None)
        filled = zip(parts, self._parameters, strict=True)
        return torch.cat([(torch.zeros_like(p) if part is None else part).flatten() for part, p in filled]), unread

    def step(self, gradient: torch.Tensor, unread: Sequence[slice] = ()) -> None:
        """Move the weights against `gradient`; those at `unread`, which momentum would carry on, stay."""
        vectors = (self._weights, self._mean, self._square)
        kept = [(vector, place, vector[place].clone()) for place in unread for vector in vectors]
        self._steps += 1
        rate, root = self.learning_rate / (1.0 - BETA1**self._steps), 1.0 / math.sqrt(1.0 - BETA2**self._steps)
        if self._arrays is not None:
            fused_kernels.adam(*self._arrays, gradient.numpy(), rate, root, self.eps, BETA1, BETA2)
        else:
            self._mean.lerp_(gradient, 1.0 - BETA1)
            self._square.mul_(BETA2).addcmul_(gradient, gradient, value=1.0 - BETA2)
            self._weights.addcdiv_(self._mean, self._square.sqrt().mul_(root).add_(self.eps), value=-rate)
        for vector, place, before in kept:
            vector[place] = before

    def descend(self, loss: torch.Tensor) -> None:
        """One step down the loss."""
        self.step(*self.gradient_and_unread(loss))

    def state_dict(self) -> State:
        return {"steps": self._steps, "mean": self._mean.clone(), "square": self._square.clone()}

    def load_state_dict(self, state: State) -> None:
        self._steps = state["steps"]
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])


def _places(parameters: Sequence[nn.Parameter]) -> list[slice]:
    ends = list(accumulate(parameter.numel() for parameter in parameters))
    return [slice(start, end) for start, end in pairwise([0, *ends])]


def _joined(places: Iterable[slice]) -> list[slice]:
    """Ascending places, with neighbours as one."""
    found: list[slice] = []
    for place in places:
        start = found.pop().start if found and found[-1].stop == place.start else place.start
        found.append(slice(start, place.stop))
    return found


def clip_norm(gradient: torch.Tensor, most: float) -> torch.Tensor:
    """Shorten a gradient in place to the norm `most`; returns the norm that it had, a scalar tensor."""
    if compiles(gradient):
        return torch.tensor(fused_kernels.clip(gradient.numpy(), most))
    norm: torch.Tensor = torch.linalg.vector_norm(gradient)
    gradient.mul_((most / (norm + 1e-6)).clamp(max=1.0))
    return norm
