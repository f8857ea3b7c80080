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
    """

    def __init__(self, members: int, sizes: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for index, (inputs, outputs) in enumerate(pairwise(sizes)):
            gain = 1.0 if index == len(sizes) - 2 else RELU_GAIN
            weight = torch.empty(members, inputs, outputs)
            for member in weight:
                nn.init.orthogonal_(member, gain, generator=generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, outputs)))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = inputs.expand(len(self.weights[0]), -1, -1) if inputs.dim() == 2 else inputs
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            outputs = torch.baddbmm(bias, functional.relu(outputs) if index else outputs, weight)
        return outputs
