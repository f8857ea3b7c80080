"""The encoder of fully connected networks forwards and backwards without autograd: numbers, and tokens by position."""

from __future__ import annotations

from typing import cast

import torch

from rewardlab.networks import fused_kernels
from rewardlab.networks.encoder import Encoder, Flat, Tokens
from rewardlab.types import TensorObs


class FusedEncoder:
    """The function of an `Encoder` without convolutions, and the gradient of its tables.

    Inputs are one row of floats for each observation, [..., P]: numbers as they are scaled, tokens as the rows of the
    tables that they choose, whose numbers floats hold exactly below 2^24.

    Args:
        gradients: from a parameter to where its gradient goes (`Adam.gradients`); None where nothing is to be learned.
    """

    def __init__(self, encoder: Encoder, gradients: dict[torch.Tensor, torch.Tensor] | None) -> None:
        self.learns = encoder.learns
        self._prepare = {name: cast(Flat, part).prepare for name, part in encoder.parts.items()}
        self._parts: list[_Part] = []
        before = after = 0
        for part in encoder.parts.values():
            bag = _Bag(part, gradients) if isinstance(part, Tokens) else None
            width = part.count if isinstance(part, Tokens) else cast(Flat, part).size
            self._parts.append(_Part(slice(before, before + width), slice(after, after + cast(Flat, part).size), bag))
            before, after = before + width, after + cast(Flat, part).size
        self._size = after
        self._inputs = self._features = torch.empty(0)

    @staticmethod
    def fits(encoder: Encoder) -> bool:
        return all(isinstance(part, (Flat, Tokens)) for part in encoder.parts.values())

    def inputs(self, obs: TensorObs) -> torch.Tensor:
        """Of observations [..., *shape]: [..., P]."""
        prepared = [prepare(obs[name]).float() for name, prepare in self._prepare.items()]
        return prepared[0] if len(prepared) == 1 else torch.cat(prepared, dim=-1)

    def predict(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., P] -> [..., D]; the inputs themselves where nothing learns."""
        if not self.learns:
            return inputs
        rows = inputs.reshape(-1, inputs.shape[-1])
        features = torch.empty(len(rows), self._size)
        for part in self._parts:
            if part.bag is None:
                features[:, part.features] = rows[:, part.inputs]
            else:
                part.bag.forward(rows[:, part.inputs], features[:, part.features])
        return features.view(*inputs.shape[:-1], self._size)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[B, P] -> [B, D], remembered for `backward`."""
        self._inputs, self._features = inputs, self.predict(inputs)
        return self._features

    def backward(self, gradient: torch.Tensor) -> None:
        """The gradients of the tables, from that of the features [B, D] of the latest `forward`."""
        for part in self._parts:
            if part.bag is not None:
                rows, features = self._inputs[:, part.inputs], self._features[:, part.features]
                part.bag.backward(rows, features, gradient[:, part.features])


class _Part:
    """One entry: its columns among the inputs and among the features."""

    def __init__(self, inputs: slice, features: slice, bag: _Bag | None) -> None:
        self.inputs, self.features, self.bag = inputs, features, bag


class _Bag:
    """`Tokens`: the sum of a row of a table for each token, and tanh."""

    def __init__(self, tokens: Tokens, gradients: dict[torch.Tensor, torch.Tensor] | None) -> None:
        bag = tokens.bag
        self._weight, self._bias = bag.weight.detach(), bag.bias.detach()
        if gradients is not None:
            self._weight_gradient, self._bias_gradient = gradients[bag.weight], gradients[bag.bias]

    def forward(self, rows: torch.Tensor, features: torch.Tensor) -> None:
        fused_kernels.gather(rows.numpy(), self._weight.numpy(), self._bias.numpy(), features.numpy())

    def backward(self, rows: torch.Tensor, features: torch.Tensor, gradient: torch.Tensor) -> None:
        found = self._weight_gradient.numpy(), self._bias_gradient.numpy()
        fused_kernels.scatter(rows.numpy(), features.numpy(), gradient.numpy(), *found)
