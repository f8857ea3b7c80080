"""Convolutions over pictures of pixels: Nature's three strided layers, and IMPALA's residual network.

Pixels stay bytes until they are seen, in blocks: a whole rollout of large pictures at once would take gigabytes between
the layers, and what a block leaves there fits into a processor's caches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from rewardlab.errors import UserError
from rewardlab.maths.pictures import STRIDED, is_picture
from rewardlab.networks.flat import UNREAD, encode_flat, flat_size
from rewardlab.networks.glyphs import KINDS, GlyphsFirst, shows_glyphs
from rewardlab.networks.init import RELU_GAIN, mlp, seeded_conv2d, seeded_linear
from rewardlab.networks.part import Part
from rewardlab.types import ObsSpec, TensorObs

NETWORKS = ("auto", "mlp", "cnn", "impala", *KINDS)
GLYPHS = "glyphs_small"  # what `auto` stands for where glyphs are shown
_WIDEST_FLAT, _REDUCED = 1024, 512  # wider outputs of convolutions pass through a layer of 512
_IMPALA_CHANNELS, _IMPALA_REDUCED = (16, 32, 32), 256
_FEWEST_CODES = 32  # integers below are codes of things, from here on colours
BLOCK = 256  # pictures seen at once: what is between the layers then fits a processor's caches


def reads_as_picture(spec: ObsSpec) -> bool:
    """Whether an image shows pixels, rather than the cells of a grid."""
    coloured = spec.high >= _FEWEST_CODES or spec.dtype.startswith("float")
    return len(spec.shape) == 3 and coloured and is_picture(spec.shape)


def network_for(picture: tuple[int, ...] | None) -> str:
    """The network that `auto` stands for, by the height and width of the picture; None: there is none.

    From 36 pixels on those of Mnih et al. 2015 fit; IMPALA's residual network is as cheap below.
    """
    if picture is None:
        return "mlp"
    return "cnn" if min(picture[:2]) >= STRIDED else "impala"


def resolved(network: str, encoding: str, obs_spec: Mapping[str, ObsSpec]) -> str:
    """The network that is meant, `auto` by what is shown."""
    if network != "auto":
        return network
    if shows_glyphs(obs_spec):
        return GLYPHS
    image = obs_spec.get("image")
    shown = image.shape if image is not None and reads_as_picture(image) and encoding == "raw" else None
    return network_for(shown)


class Picture(Part):
    """The strided convolutions of Mnih et al. 2015, and a layer of 512."""

    block = BLOCK

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        super().__init__()
        self.scale = 1.0 / spec.high if spec.high >= _FEWEST_CODES else 1.0
        self.layers = nn.Sequential(*_nature(spec.shape[-1], generator))
        self.size = _width(self.layers, spec.shape)
        if self.size > _WIDEST_FLAT:
            self.layers.extend([seeded_linear(self.size, _REDUCED, generator), nn.ReLU()])
            self.size = _REDUCED

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return entry

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        return in_blocks(self.layers, prepared, self.scale)


class Impala(Part):
    """The residual network of Espeholt et al. 2018, IMPALA (arXiv:1802.01561), figure 3: three blocks of 16, 32 and 32
    channels, and a layer of 256.
    """

    block = BLOCK

    def __init__(self, spec: ObsSpec, generator: torch.Generator) -> None:
        """Raises:
        UserError: the image is too small.
        """
        super().__init__()
        if len(spec.shape) != 3 or min(spec.shape[:2]) < 8:
            raise UserError(f"agent.network=impala: an image of shape {spec.shape} is too small; use agent.network=mlp")
        self.scale = 1.0 / spec.high if spec.high >= _FEWEST_CODES else 1.0
        self.layers = nn.Sequential(*_impala(spec.shape[-1], generator))
        width = _width(self.layers, spec.shape)
        self.layers.extend([seeded_linear(width, _IMPALA_REDUCED, generator), nn.ReLU()])
        self.size = _IMPALA_REDUCED

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        return entry

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        return in_blocks(self.layers, prepared, self.scale)


def flat_rows(obs: TensorObs, obs_spec: Mapping[str, ObsSpec]) -> torch.Tensor:
    """What a `flat_network` takes, [..., D]: a lone picture of bytes as it is, else `encode_flat`."""
    names = [name for name in obs_spec if name not in UNREAD]
    if names == ["image"] and obs_spec["image"].dtype == "uint8" and reads_as_picture(obs_spec["image"]):
        return obs["image"].flatten(-3)
    return encode_flat(obs, obs_spec)


def newest(obs_spec: Mapping[str, ObsSpec], channels: int) -> dict[str, ObsSpec]:
    """The spec of observations of whose image the last channels alone are read, as `newest_of` leaves them.

    Raises:
        UserError: there is no picture, or it has fewer.
    """
    image = obs_spec.get("image")
    if image is None or not reads_as_picture(image) or image.shape[-1] < channels:
        shown = "no picture" if image is None or not reads_as_picture(image) else f"{image.shape[-1]} channels"
        raise UserError(f"reward.channels={channels}: the environment shows {shown}; use null")
    return {**obs_spec, "image": replace(image, shape=(*image.shape[:-1], channels))}


def newest_of(obs: TensorObs, channels: int) -> TensorObs:
    return obs | {"image": obs["image"][..., -channels:]}


def flat_network(
    obs_spec: Mapping[str, ObsSpec],
    widths: Sequence[int],
    generator: torch.Generator,
    *,
    onehot: bool = False,
    beside: int = 0,
    activation: str = "relu",
    gain: float = RELU_GAIN,
    last_gain: float = 1.0,
    slope: float = 0.0,
) -> nn.Sequential:
    """An `mlp` with these widths after its input, which is a flat observation (`encode_flat`, `flat_rows`), [..., D].

    A picture or a map of glyphs among the numbers is read by convolutions first.

    Args:
        onehot: as in `encode_flat`.
        beside: length of what follows the observation in the input.
        slope: of the strided convolutions' rectifiers below 0.
    """
    inputs = flat_size(obs_spec, onehot=onehot) + beside
    seen: _PictureFirst | GlyphsFirst | None = None
    if _shows_picture(obs_spec):
        seen = _PictureFirst(obs_spec, inputs, generator, slope)
    elif shows_glyphs(obs_spec):
        seen = GlyphsFirst(obs_spec, inputs, generator)
    sizes = (inputs if seen is None else seen.size, *widths)
    layers = mlp(sizes, generator, activation=activation, gain=gain, last_gain=last_gain)
    return layers if seen is None else nn.Sequential(seen, *layers)


class _PictureFirst(nn.Module):
    """Flat numbers with a picture among them -> its features, and all else beside: [..., D] -> [..., size]."""

    def __init__(self, obs_spec: Mapping[str, ObsSpec], inputs: int, generator: torch.Generator, slope: float) -> None:
        super().__init__()
        self._shape, self._high = obs_spec["image"].shape, obs_spec["image"].high
        names = [name for name in obs_spec if name not in UNREAD]
        self._start = flat_size({name: obs_spec[name] for name in names[: names.index("image")]})
        self._end = self._start + math.prod(self._shape)
        channels = self._shape[-1]
        strided = network_for(self._shape) == "cnn"
        layers = _nature(channels, generator, slope) if strided else _impala(channels, generator)
        self.layers = nn.Sequential(*layers)
        self.size = _width(self.layers, self._shape) + inputs - math.prod(self._shape)

    def forward(self, flat: torch.Tensor) -> torch.Tensor:
        rows = flat.reshape(-1, flat.shape[-1])
        pixels = rows[:, self._start : self._end].reshape(-1, *self._shape)
        seen = in_blocks(self.layers, pixels, 1.0 if flat.is_floating_point() else 1.0 / self._high)
        features = torch.cat([seen, rows[:, : self._start], rows[:, self._end :]], dim=-1)
        return features.view(*flat.shape[:-1], self.size)


def in_blocks(layers: nn.Module, pictures: torch.Tensor, scale: float) -> torch.Tensor:
    """What layers make of pictures [B, H, W, C] of any numbers, times the scale: [B, features]."""

    def seen(block: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = layers(block.permute(0, 3, 1, 2).float() * scale)
        return features

    if len(pictures) <= BLOCK:
        return seen(pictures)
    return torch.cat([seen(block) for block in torch.split(pictures, BLOCK)])


class _Residual(nn.Module):
    """[B, C, H, W] -> the same: what two convolutions add."""

    def __init__(self, channels: int, generator: torch.Generator, gain: float) -> None:
        super().__init__()
        self.first = seeded_conv2d(channels, channels, 3, generator, padding=1)
        self.second = seeded_conv2d(channels, channels, 3, generator, gain, padding=1)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = self.second(functional.relu(self.first(functional.relu(seen))))
        return seen + added


def _nature(channels: int, generator: torch.Generator, slope: float = 0.0) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs, kernel, stride in ((channels, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)):
        layers.append(seeded_conv2d(inputs, outputs, kernel, generator, stride=stride))
        layers.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
    return [*layers, nn.Flatten()]


def _impala(channels: int, generator: torch.Generator) -> list[nn.Module]:
    layers: list[nn.Module] = []
    # Together, the residual blocks then add about as much as comes in.
    gain = RELU_GAIN / math.sqrt(2 * len(_IMPALA_CHANNELS))
    for width in _IMPALA_CHANNELS:
        layers += [seeded_conv2d(channels, width, 3, generator, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
        layers += [_Residual(width, generator, gain), _Residual(width, generator, gain)]
        channels = width
    return [*layers, nn.ReLU(), nn.Flatten()]


@torch.no_grad()
def _width(layers: nn.Module, shape: tuple[int, ...]) -> int:
    height, width, channels = shape
    return int(layers(torch.zeros(1, channels, height, width)).shape[1])


def _shows_picture(obs_spec: Mapping[str, ObsSpec]) -> bool:
    return "image" in obs_spec and reads_as_picture(obs_spec["image"])
