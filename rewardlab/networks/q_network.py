"""Values of discrete actions: one network, or several members of an ensemble, each with a random prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from rewardlab.networks.encoder import Encoder
from rewardlab.networks.reader import Reader
from rewardlab.networks.stacked import NoisyLinear, StackedLinear
from rewardlab.networks.standardised import Standardised
from rewardlab.types import ObsSpec, TensorObs

_LAST_GAIN = 0.01  # first values of nearly 0: before a reward was seen, other ones would be noise to act upon


class QNetwork(Reader):
    """encoder -> layers of each member -> values of the actions, [E, B, A].

    Args:
        obs_spec: as in `EnvSpec.obs`. actions: number A of them.
        network: `mlp`, `cnn` or `impala`; encoding: `raw` or `onehot`. See `Encoder`; members share it.
        hidden: widths of each member's ReLU layers.
        members: number E of networks.
        dueling: the last hidden layer is there twice, for the value and for the advantages (Wang et al. 2016, Dueling
            network architectures, arXiv:1511.06581, eq. 9).
        noisy: size of the noise on weights at first, see `NoisyLinear`; None: none.
        prior_scale: weight of a fixed random network beside each member, which is added to its values (Osband et al.
            2018, Randomized prior functions, arXiv:1806.03335, algorithm 1); 0: none.
        last_gain: orthogonal gain of the last layers, where they are not noisy.
        standardise: whether floats are brought to one scale, see `Standardised`.

    Attributes:
        standardised: the scale of what is observed, where that is asked for; else None.
    """

    def __init__(
        self,
        obs_spec: Mapping[str, ObsSpec],
        actions: int,
        generator: torch.Generator,
        *,
        network: str,
        encoding: str,
        hidden: Sequence[int],
        members: int = 1,
        dueling: bool = False,
        noisy: float | None = None,
        prior_scale: float = 0.0,
        last_gain: float = _LAST_GAIN,
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(obs_spec, network, encoding, generator)
        self.standardised = Standardised(obs_spec) if standardise else None
        self.members = members
        shared = len(hidden) - 1 if dueling and hidden else len(hidden)
        widths = (self.encoder.size, *hidden)

        def layers(sizes: Sequence[int], ends: bool) -> nn.ModuleList:
            return _layers(members, sizes, generator, noisy, last_gain if ends else None)

        self.trunk = layers(widths[: shared + 1], ends=False)
        self.advantage = layers((*widths[shared:], actions), ends=True)
        self.value = layers((*widths[shared:], 1), ends=True) if dueling else None
        self.prior_scale = prior_scale
        self.prior: QNetwork | None = None
        if prior_scale:
            self.prior = QNetwork(
                obs_spec,
                actions,
                generator,
                network=network,
                encoding=encoding,
                hidden=hidden,
                members=members,
                last_gain=1.0,
            )
            self.prior.requires_grad_(False)

    def forward(
        self, prepared: TensorObs, rng: torch.Generator | None = None, prior: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Values [E, B, A] of prepared observations, each entry [B, ...].

        Args:
            rng: draws the noise of noisy layers; None: no noise.
            prior: what `prior_values` gave for these, where it is known already.
        """
        features = self.encoder(prepared)
        features = features.expand(self.members, *features.shape)
        for layer in self.trunk:
            features = functional.relu(layer(features, rng))
        values = _through(self.advantage, features, rng)
        if self.value is not None:
            values = _through(self.value, features, rng) + values - values.mean(dim=-1, keepdim=True)
        prior = self.prior_values(prepared) if prior is None else prior
        return values if prior is None else values + prior

    @torch.no_grad()
    def prior_values(self, prepared: TensorObs) -> torch.Tensor | None:
        """What the priors add to the values, [E, B, A]; they never change, and copies of a network share them."""
        return None if self.prior is None else self.prior_scale * self.prior(prepared)


def _layers(
    members: int, widths: Sequence[int], generator: torch.Generator, noisy: float | None, last_gain: float | None
) -> nn.ModuleList:
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        if noisy is not None:
            layers.append(NoisyLinear(members, inputs, outputs, generator, noisy))
        elif last_gain is not None and index == len(widths) - 2:
            layers.append(StackedLinear(members, inputs, outputs, generator, last_gain))
        else:
            layers.append(StackedLinear(members, inputs, outputs, generator))
    return nn.ModuleList(layers)


def _through(layers: nn.ModuleList, features: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
    for index, layer in enumerate(layers):
        features = layer(functional.relu(features) if index else features, rng)
    return features
