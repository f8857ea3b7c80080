"""A slowly moving copy of a network, whose outputs are what another network learns to predict."""

import copy

import torch
from torch import nn


class EmaTarget(nn.Module):
    """The exponential moving average of a network's parameters; it never learns by gradient.

    After each of the network's steps `follow` moves it: target = decay * target + (1 - decay) * network
    (Grill et al. 2020, Bootstrap your own latent; Guo et al. 2022, BYOL-Explore).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.average = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move towards the parameters of the network that it was copied from; buffers are taken as they are."""
        own: list[torch.Tensor] = list(self.average.parameters())
        torch._foreach_lerp_(own, [parameter.detach() for parameter in network.parameters()], 1.0 - self.decay)
        for buffer, newer in zip(self.average.buffers(), network.buffers(), strict=True):
            buffer.copy_(newer)
