"""An autoencoder: a short code of a picture, and what the picture is thought to be by its code.

Source: Paolo et al. 2020, Unsupervised learning and exploration of reachable outcome space (TAXONS; arXiv:1909.05508),
with fully connected layers for the convolutions of its code.
"""

from __future__ import annotations

import torch
from torch import nn

from rewardlab.networks.adam import Adam
from rewardlab.networks.init import seeded_linear
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import State

_RATE = 1e-3


class Autoencoder:
    """SELU units, after the code too; what is rebuilt passes a ReLU, and is held against the picture itself.

    Args:
        inputs: numbers of a picture, within [0, 1]. code: numbers of a code. units: of the hidden layers.
    """

    def __init__(self, inputs: int, code: int, units: int, generator: torch.Generator, device: torch.device) -> None:
        sizes = ((inputs, units), (units, code), (code, units), (units, inputs))
        layers = [seeded_linear(one, other, generator, gain=1.0) for one, other in sizes]
        nn.init.constant_(layers[-1].bias, 0.5)  # a unit below 0 for all pictures would never learn
        self.encoder = nn.Sequential(layers[0], nn.SELU(), layers[1], nn.SELU()).to(device)
        self.decoder = nn.Sequential(layers[2], nn.SELU(), layers[3], nn.ReLU()).to(device)
        self._adam = Adam([*self.encoder.parameters(), *self.decoder.parameters()], _RATE)

    def __call__(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes [B, code], and the mean squared error of what is rebuilt, [B], of pictures [B, inputs]."""
        codes = self.encoder(pictures)
        return codes, (self.decoder(codes) - pictures).square().mean(dim=1)

    def learn(self, pictures: torch.Tensor) -> None:
        """One step on a batch."""
        self._adam.descend(self(pictures)[1].mean())

    def state_dict(self) -> State:
        return state_of({"encoder": self.encoder, "decoder": self.decoder, "adam": self._adam})

    def load_state_dict(self, state: State) -> None:
        load_state({"encoder": self.encoder, "decoder": self.decoder, "adam": self._adam}, state)
