"""Linear layers of several networks at once, with or without noise on their weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from rewardlab.networks.init import RELU_GAIN


class StackedLinear(nn.Module):
    """E linear layers of one shape, [E, B, inputs] -> [E, B, outputs]; orthogonal weights, zero biases."""

    def __init__(
        self, members: int, inputs: int, outputs: int, generator: torch.Generator, gain: float = RELU_GAIN
    ) -> None:
        super().__init__()
        weight = torch.empty(members, inputs, outputs)
        for member in weight:
            nn.init.orthogonal_(member, gain, generator=generator)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, inputs: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        """`rng` is for layers with noise."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class NoisyLinear(nn.Module):
    """The same with factorised Gaussian noise on weights and biases, of a learned size; other noise for each sample.

    Source: Fortunato et al. 2018, Noisy networks for exploration (arXiv:1706.10295), eqs. 9 to 11 and section 3.2.
    """

    def __init__(self, members: int, inputs: int, outputs: int, generator: torch.Generator, sigma: float) -> None:
        """Args:
        sigma: the size of the noise at first, times the square root of the number of inputs; 0.5 in the paper.
        """
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)

        def uniform(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        self.weight, self.bias = uniform(members, inputs, outputs), uniform(members, 1, outputs)
        self.weight_noise = nn.Parameter(torch.full_like(self.weight, sigma * bound))
        self.bias_noise = nn.Parameter(torch.full_like(self.bias, sigma * bound))

    def forward(self, inputs: torch.Tensor, rng: torch.Generator | None = None) -> torch.Tensor:
        """Without `rng` there is no noise."""
        means = torch.baddbmm(self.bias, inputs, self.weight)
        if rng is None:
            return means
        # The noise of weight (i, j) is f(e_i) f(e_j), so that a sample's own costs one more product.
        before, after = _noise(inputs.shape, inputs, rng), _noise(means.shape, inputs, rng)
        return means + after * torch.baddbmm(self.bias_noise, inputs * before, self.weight_noise)


def _noise(shape: torch.Size, like: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """f(e) = sign(e) sqrt(|e|) of standard normal e."""
    normal = torch.empty(shape, device=rng.device).normal_(generator=rng).to(like.device)
    return normal.sign() * normal.abs().sqrt()
