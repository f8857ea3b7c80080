"""Several networks of one shape, run as one."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from rewardlab.networks.init import RELU_GAIN


class Ensemble(nn.Module):
    """E fully connected networks with their own weights: [B, inputs] or [E, B, inputs] -> [E, B, outputs].

    ReLU between layers, or x sigmoid(x); orthogonal weights, zero biases. One batched product per layer serves all.

    Args:
        slope: of the ReLU below 0.
        swish: whether it is x sigmoid(x) instead.
        last_gain: orthogonal gain of the last layer.
    """

    def __init__(
        self,
        members: int,
        sizes: Sequence[int],
        generator: torch.Generator,
        *,
        slope: float = 0.0,
        swish: bool = False,
        last_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self._slope, self._swish = slope, swish
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for index, (inputs, outputs) in enumerate(pairwise(sizes)):
            gain = last_gain if index == len(sizes) - 2 else RELU_GAIN
            weight = torch.empty(members, inputs, outputs)
            _drawn(weight, gain, generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, outputs)))
        self._last_gain = last_gain

    def forward(self, inputs: torch.Tensor, counts: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """See above.

        Args:
            counts: what each unit between the layers is multiplied by, [E, 1, width] for each layer but the last.
        """
        return self._through(inputs, len(self.weights), counts)

    def trunk(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the last layer reads, [E, B, H]; there must be a layer before it."""
        return self._activated(self._through(inputs, len(self.weights) - 1))

    def _through(self, inputs: torch.Tensor, layers: int, counts: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        outputs = inputs.expand(len(self.weights[0]), -1, -1) if inputs.dim() == 2 else inputs
        for index, (weight, bias) in enumerate(zip(self.weights[:layers], self.biases[:layers], strict=True)):
            if index:
                outputs = self._activated(outputs)
                outputs = outputs if counts is None else outputs * counts[index - 1]
            outputs = torch.baddbmm(bias, outputs, weight)
        return outputs

    @torch.no_grad()
    def renew_last(self, generator: torch.Generator) -> None:
        """Draw the last layer anew, as it was at first; the layers before it stay."""
        weight = torch.empty(self.weights[-1].shape)
        _drawn(weight, self._last_gain, generator)
        self.weights[-1].copy_(weight)
        self.biases[-1].zero_()

    def _activated(self, outputs: torch.Tensor) -> torch.Tensor:
        if self._swish:
            return functional.silu(outputs)
        return functional.leaky_relu(outputs, self._slope) if self._slope else functional.relu(outputs)


def _drawn(weight: torch.Tensor, gain: float, generator: torch.Generator) -> None:
    """Fill the weights of all members, [E, I, O]."""
    for member in weight:
        nn.init.orthogonal_(member, gain, generator=generator)
