"""Several networks of one shape, run as one."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from rewardlab.networks.init import RELU_GAIN


class Ensemble(nn.Module):
    """E fully connected networks with their own weights: [B, inputs] or [E, B, inputs] -> [E, B, outputs].

    ReLU between layers; orthogonal weights, zero biases. One batched product per layer serves all members.

    Args:
        slope: of the ReLU below 0.
        last_gain: orthogonal gain of the last layer.
    """

    def __init__(
        self,
        members: int,
        sizes: Sequence[int],
        generator: torch.Generator,
        *,
        slope: float = 0.0,
        last_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self._slope = slope
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for index, (inputs, outputs) in enumerate(pairwise(sizes)):
            gain = last_gain if index == len(sizes) - 2 else RELU_GAIN
            weight = torch.empty(members, inputs, outputs)
            for member in weight:
                nn.init.orthogonal_(member, gain, generator=generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, outputs)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = inputs.expand(len(self.weights[0]), -1, -1) if inputs.dim() == 2 else inputs
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            outputs = torch.baddbmm(bias, self._activated(outputs) if index else outputs, weight)
        return outputs

    def _activated(self, outputs: torch.Tensor) -> torch.Tensor:
        return functional.leaky_relu(outputs, self._slope) if self._slope else functional.relu(outputs)
