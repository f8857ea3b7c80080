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
        # Kept, because looking for them takes longer than moving them; all are changed in place, never replaced.
        self._parameters_of_average: list[torch.Tensor] = list(self.average.parameters())
        self._buffers_of_average = list(self.average.buffers())
        self._newer: tuple[nn.Module | None, list[torch.Tensor], list[torch.Tensor]] = (None, [], [])

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move towards the parameters of the network that it was copied from; buffers are taken as they are."""
        if self._newer[0] is not network:
            self._newer = network, list(network.parameters()), list(network.buffers())
        _, parameters, buffers = self._newer
        torch._foreach_lerp_(self._parameters_of_average, parameters, 1.0 - self.decay)
        if self._buffers_of_average:
            torch._foreach_copy_(self._buffers_of_average, buffers)
