"""From an observation to features: the image by convolutions or flattened, beside it vectors and the mission.

The mission passes through a position-aware bag of tokens (one table per position, summed, tanh): missions are
filled-in templates, so the word at a position says what matters, and it costs a tenth of a recurrent network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.networks.bag import PositionBag
from rewardlab.networks.flat import can_onehot
from rewardlab.networks.init import seeded_conv2d, seeded_linear
from rewardlab.types import ObsSpec, TensorObs

TANH_GAIN = 5.0 / 3.0
MISSION_SIZE = 32
ONEHOT_SIZE = 128
LARGE_IMAGE = 36  # from this size on, the strided convolutions of Mnih et al. 2015


class Encoder(nn.Module):
    """Observations, each entry [B, *shape] -> features [B, size].

    Args:
        obs_spec: as in `EnvSpec.obs`.
        kind: `cnn`, or `mlp` for a flattened image.
        encoding: how `mlp` sees an image: `raw` (numbers divided by the largest) or `onehot` (each number's
            value told apart; a first layer of 128 tanh units).

    Raises:
        UserError: the observation does not suit the kind of network.
    """

    def __init__(self, obs_spec: Mapping[str, ObsSpec], kind: str, encoding: str, generator: torch.Generator) -> None:
        super().__init__()
        unknown = set(obs_spec) - {"image", "vector", "mission"}
        if unknown:
            raise UserError(f"observation entry {sorted(unknown)[0]}: an agent reads image, vector and mission")
        self.parts = nn.ModuleDict()
        self.size = 0
        for name, spec in obs_spec.items():
            part = _part(name, spec, kind, encoding, generator)
            self.parts[name] = part
            self.size += part.size
        if kind == "cnn" and "image" not in obs_spec:
            raise UserError("agent.network=cnn: the environment shows no image; use agent.network=mlp")

    def forward(self, obs: TensorObs) -> torch.Tensor:
        features = [part(obs[name]) for name, part in self.parts.items()]
        return features[0] if len(features) == 1 else torch.cat(features, dim=-1)


def _part(name: str, spec: ObsSpec, kind: str, encoding: str, generator: torch.Generator) -> _Part:
    if name == "mission":
        return _Tokens(spec, MISSION_SIZE, generator)
    if name == "image" and kind == "cnn":
        return _Convolutions(spec, generator)
    if name == "image" and encoding == "onehot":
        if not can_onehot({name: spec}):
            raise UserError(f"agent.encoding=onehot: an image with values up to {spec.high} has too many; use raw")
        return _Tokens(spec, ONEHOT_SIZE, generator)
    return _Flat(spec)


class _Part(nn.Module):
    """One entry [B, *shape] -> [B, size]."""

    size: int


class _Flat(_Part):
    """Numbers as they are, integers divided by the largest."""

    def __init__(self, spec: ObsSpec) -> None:
        super().__init__()
        self.size = math.prod(spec.shape)
        self.scale = 1.0 / spec.high if spec.high > 0 else 1.0

    def forward(self, entry: torch.Tensor) -> torch.Tensor:
        return entry.reshape(entry.shape[0], self.size).float() * self.scale


class _Tokens(_Part):
    """Integers told apart by value and position."""

    def __init__(self, spec: ObsSpec, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        self.count = math.prod(spec.shape)
        self.bag = PositionBag(self.count, spec.high + 1, size, generator, TANH_GAIN / math.sqrt(2))

    def forward(self, entry: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.bag(entry.reshape(entry.shape[0], self.count)))


class _Convolutions(_Part):
    """An image [B, H, W, C], integers unscaled below 32 and divided by the largest above.

    Small images: 2x2 convolutions 16, (max pool,) 32, 64, as in rl-starter-files; large ones: Mnih et al. 2015.
    """

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        super().__init__()
        if len(spec.shape) != 3 or min(spec.shape[:2]) < 4:
            raise UserError(f"agent.network=cnn: an image of shape {spec.shape} is too small; use agent.network=mlp")
        height, width, channels = spec.shape
        shortest = min(height, width)
        self.scale = 1.0 / spec.high if spec.high >= 32 else 1.0
        if shortest >= LARGE_IMAGE:
            self.layers = nn.Sequential(
                seeded_conv2d(channels, 32, 8, generator, stride=4),
                nn.ReLU(),
                seeded_conv2d(32, 64, 4, generator, stride=2),
                nn.ReLU(),
                seeded_conv2d(64, 64, 3, generator),
                nn.ReLU(),
                nn.Flatten(),
            )
        else:
            self.layers = nn.Sequential(
                seeded_conv2d(channels, 16, 2, generator),
                nn.ReLU(),
                nn.MaxPool2d(2) if shortest >= 7 else nn.Identity(),
                seeded_conv2d(16, 32, 2, generator),
                nn.ReLU(),
                seeded_conv2d(32, 64, 2, generator),
                nn.ReLU(),
                nn.Flatten(),
            )
        with torch.no_grad():
            self.size = self.layers(torch.zeros(1, channels, height, width)).shape[1]
        if self.size > 1024:
            self.layers.extend([seeded_linear(self.size, 512, generator), nn.ReLU()])
            self.size = 512

    def forward(self, entry: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.layers(entry.permute(0, 3, 1, 2).float() * self.scale)
        return features
