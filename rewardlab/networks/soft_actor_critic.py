"""The networks of soft actor-critic: a policy and twin critics, each with an encoder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from rewardlab.networks.encoder import Encoder
from rewardlab.networks.init import mlp
from rewardlab.networks.reader import Reader
from rewardlab.networks.stacked import StackedLinear
from rewardlab.networks.standardised import Standardised
from rewardlab.types import TensorObs

_LOG_STD = (-20.0, 2.0)  # as in the authors' code


class SquashedPolicy(Reader):
    """encoder -> ReLU layers -> mean and log_std [B, A] of a Gaussian that is still to be squashed.

    Args:
        standardised: the scale of what is observed, which the critics share; None: it stays as it is.
    """

    def __init__(
        self,
        encoder: Encoder,
        actions: int,
        generator: torch.Generator,
        hidden: Sequence[int],
        standardised: Standardised | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.standardised = encoder, standardised
        self.layers = mlp((self.encoder.size, *hidden, 2 * actions), generator, last_gain=0.01)

    def forward(self, prepared: TensorObs) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_std = self.layers(self.encoder(prepared)).chunk(2, dim=-1)
        return mean, log_std.clamp(*_LOG_STD)


class TwinCritics(Reader):
    """Two values of observations and actions in (-1, 1): [2, B]; the encoder is shared by the two.

    Args:
        standardised: as of `SquashedPolicy`.
    """

    def __init__(
        self,
        encoder: Encoder,
        actions: int,
        generator: torch.Generator,
        hidden: Sequence[int],
        standardised: Standardised | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.standardised = encoder, standardised
        widths = (self.encoder.size + actions, *hidden)
        self.layers = nn.ModuleList(
            StackedLinear(2, inputs, outputs, generator) for inputs, outputs in pairwise(widths)
        )
        self.last = StackedLinear(2, widths[-1], 1, generator, gain=1.0)

    def forward(self, prepared: TensorObs, action: torch.Tensor) -> torch.Tensor:
        features = torch.cat([self.encoder(prepared), action], dim=-1)
        features = features.expand(2, *features.shape)
        for layer in self.layers:
            features = functional.relu(layer(features))
        values: torch.Tensor = self.last(features).squeeze(-1)
        return values
