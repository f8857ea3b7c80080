"""From an observation to features: the image by convolutions or flattened, beside it vectors, mission and goal.

What does not depend on weights (`Encoder.prepare`: conversions, scales, the patches of the first convolution) is done
once for a rollout; the passes over it (`Encoder.forward`) start from there.

The mission passes through a position-aware bag of tokens (one table per position, summed, tanh): missions are
filled-in templates, so the word at a position says what matters, and it costs a tenth of a recurrent network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from rewardlab.errors import UserError
from rewardlab.maths.pictures import STRIDED
from rewardlab.networks.bag import PositionBag
from rewardlab.networks.flat import CELLS, UNREAD, can_onehot
from rewardlab.networks.glyphs import LAST, glyph_part, shows_glyphs
from rewardlab.networks.grid_convolution import GridConvolutions
from rewardlab.networks.init import mlp, seeded_linear
from rewardlab.networks.part import Part
from rewardlab.networks.picture import Impala, Picture
from rewardlab.networks.tanh import fast_tanh
from rewardlab.types import CANDIDATES, ObsSpec, TensorObs

TANH_GAIN = 5.0 / 3.0
MISSION_SIZE = 32
ONEHOT_SIZE = 128
_READ = ("image", "vector", "mission", "goal", "cell", *CELLS, "message")
_WIDEST_FLAT, _REDUCED = 1024, 512  # wider outputs of convolutions pass through a layer of 512


class Encoder(nn.Module):
    """Prepared observations, each entry [B, ...] -> features [B, size].

    Args:
        obs_spec: as in `EnvSpec.obs`.
        kind: `cnn` or `impala`, or `mlp` for a flattened image; `glyphs` or `glyphs_small` for NetHack.
        encoding: how `mlp` sees an image: `raw` (numbers divided by the largest) or `onehot` (each number's
            value told apart; a first layer of 128 tanh units).

    Attributes:
        size: length of the features.
        learns: whether it has weights; without, features are the flattened observation.
        block: how many observations are best learned from at once; None: any number.

    Raises:
        UserError: the observation does not suit the kind of network.
    """

    def __init__(self, obs_spec: Mapping[str, ObsSpec], kind: str, encoding: str, generator: torch.Generator) -> None:
        super().__init__()
        unknown = set(obs_spec) - {*_READ, *UNREAD}
        if unknown:
            entry = sorted(unknown)[0]
            readers = "agent=ppo alone reads it" if entry == CANDIDATES else f"an agent reads {', '.join(_READ)}"
            raise UserError(f"observation entry {entry}: {readers}")
        obs_spec = {name: spec for name, spec in obs_spec.items() if name not in UNREAD}
        _check(obs_spec, kind)
        parts = {name: _part(name, spec, kind, encoding, generator) for name, spec in obs_spec.items()}
        self.parts = nn.ModuleDict(parts)
        self.size = sum(part.size for part in parts.values())
        self.last: nn.Module = nn.Identity()
        if kind in LAST:
            self.last = mlp((self.size, *LAST[kind]), generator, activate_last=True)
            self.size = LAST[kind][-1]
        self.block = min((part.block for part in parts.values() if part.block), default=None)
        self.learns = any(True for _ in self.parameters())

    def prepare(self, obs: TensorObs) -> TensorObs:
        """What `forward` takes, from observations [..., *shape]: each entry [..., its own]."""
        return {name: cast(Part, part).prepare(obs[name]) for name, part in self.parts.items()}

    def forward(self, prepared: TensorObs) -> torch.Tensor:
        features = [part(prepared[name]) for name, part in self.parts.items()]
        found: torch.Tensor = self.last(features[0] if len(features) == 1 else torch.cat(features, dim=-1))
        return found


def _check(obs_spec: Mapping[str, ObsSpec], kind: str) -> None:
    """Raises:
    UserError: the network reads no such observation.
    """
    if shows_glyphs(obs_spec):
        if kind not in LAST:
            raise UserError(f"agent.network={kind}: reads no glyphs; use agent.network=auto, {' or '.join(LAST)}")
    elif kind in LAST:
        raise UserError(f"agent.network={kind}: the environment shows no glyphs; use agent.network=auto")
    elif kind != "mlp" and "image" not in obs_spec:
        raise UserError(f"agent.network={kind}: the environment shows no image; use agent.network=mlp")


def _part(name: str, spec: ObsSpec, kind: str, encoding: str, generator: torch.Generator) -> Part:
    if name in (*CELLS, "message") or (name == "vector" and kind in LAST):
        return glyph_part(name, spec, kind, generator)
    if name == "mission" or (name == "goal" and spec.high > 0):
        return Tokens(spec, MISSION_SIZE, generator)
    if name == "cell":
        return Tokens(spec, ONEHOT_SIZE, generator)
    if name == "image" and kind == "cnn":
        if len(spec.shape) != 3 or min(spec.shape[:2]) < 4:
            raise UserError(f"agent.network=cnn: an image of shape {spec.shape} is too small; use agent.network=mlp")
        kernel = Picture if min(spec.shape[:2]) >= STRIDED else _Grid
        return kernel(spec, generator)
    if name == "image" and kind == "impala":
        return Impala(spec, generator)
    if name == "image" and encoding == "onehot":
        if not can_onehot({name: spec}):
            raise UserError(f"agent.encoding=onehot: an image with values up to {spec.high} has too many; use raw")
        return Tokens(spec, ONEHOT_SIZE, generator)
    return Flat(spec)


class Flat(Part):
    """Numbers as they are, integers divided by the largest."""

    def __init__(self, spec: ObsSpec) -> None:
        super().__init__()
        self.size = math.prod(spec.shape)
        self.dims = len(spec.shape)
        self.scale = 1.0 / spec.high if spec.high > 0 else 1.0

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return entry.reshape(*entry.shape[: entry.dim() - self.dims], self.size) * self.scale  # integers: float32

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        return prepared


class Tokens(Part):
    """Integers told apart by value and position."""

    def __init__(self, spec: ObsSpec, size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        self.dims = len(spec.shape)
        self.count = math.prod(spec.shape)
        self.bag = PositionBag(self.count, spec.high + 1, size, generator, TANH_GAIN / math.sqrt(2))

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return self.bag.rows(entry.reshape(*entry.shape[: entry.dim() - self.dims], self.count))

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        return fast_tanh(self.bag(prepared))


class _Grid(Part):
    """A small image: 2x2 convolutions 16, (max pool,) 32, 64, as in rl-starter-files.

    Integers are unscaled below 32 (codes of things) and divided by the largest above (colours).
    """

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        super().__init__()
        self.scale = 1.0 / spec.high if spec.high >= 32 else 1.0
        self.convolutions = GridConvolutions(spec.shape, (16, 32, 64), generator)
        self.size = self.convolutions.size
        self.last: nn.Module = nn.Identity()
        if self.size > _WIDEST_FLAT:
            self.last = nn.Sequential(seeded_linear(self.size, _REDUCED, generator), nn.ReLU())
            self.size = _REDUCED

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        patches = self.convolutions.patches(entry).float()
        return patches if self.scale == 1.0 else patches * self.scale

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.last(self.convolutions(prepared))
        return features
