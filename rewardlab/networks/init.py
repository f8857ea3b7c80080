"""Layers whose initial weights come from a generator that is handed in, never from global random state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn

from rewardlab.networks.tanh import Tanh

RELU_GAIN = math.sqrt(2.0)
Layer = TypeVar("Layer", bound=nn.Module)
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": Tanh, "relu": nn.ReLU, "elu": nn.ELU}


def mlp(
    sizes: Sequence[int],
    generator: torch.Generator,
    *,
    activation: str = "relu",
    gain: float = RELU_GAIN,
    last_gain: float = 1.0,
    activate_last: bool = False,
) -> nn.Sequential:
    """Fully connected layers [..., sizes[0]] -> [..., sizes[-1]] with orthogonal weights and zero biases.

    Args:
        sizes: widths, input and output included; one entry alone gives the identity.
        activation: tanh, relu or elu, between layers (and after the last with `activate_last`).
        gain, last_gain: orthogonal gains of the hidden layers and of the last one.
    """
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = index == len(sizes) - 2
        layers.append(seeded_linear(inputs, outputs, generator, last_gain if last and not activate_last else gain))
        if not last or activate_last:
            layers.append(ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


def seeded_linear(inputs: int, outputs: int, generator: torch.Generator, gain: float = RELU_GAIN) -> nn.Linear:
    """A linear layer with orthogonal weights and zero bias."""
    return _orthogonal(_unset(nn.Linear, inputs, outputs), generator, gain)


def seeded_conv2d(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    generator: torch.Generator,
    gain: float = RELU_GAIN,
    stride: int = 1,
    padding: int = 0,
) -> nn.Conv2d:
    """A convolution with orthogonal weights and zero bias."""
    return _orthogonal(_unset(nn.Conv2d, inputs, outputs, kernel, stride=stride, padding=padding), generator, gain)


def seeded_gru(inputs: int, hidden: int, generator: torch.Generator) -> nn.GRUCell:
    """A GRU cell: each gate's recurrent weights orthogonal, each gate's input weights too, zero biases."""
    cell = _unset(nn.GRUCell, inputs, hidden)
    for name, parameter in cell.named_parameters():
        if name.startswith("weight"):
            for gate in parameter.data.chunk(3):
                nn.init.orthogonal_(gate, 1.0, generator=generator)
        else:
            nn.init.zeros_(parameter)
    return cell


def _unset(kind: type[Layer], *sizes: int | tuple[int, int], **options: int) -> Layer:
    """A layer whose weights are not set yet: torch's own way would draw them from global random state.

    torch.nn.utils.skip_init does the same by way of the meta device, whose import takes half a second.
    """
    unset: type[Layer] = type(kind.__name__, (kind,), {"reset_parameters": lambda layer: None})
    layer = unset(*sizes, **options)
    layer.__class__ = kind
    return layer


def _orthogonal(layer: Layer, generator: torch.Generator, gain: float) -> Layer:
    nn.init.orthogonal_(layer.weight, gain, generator=generator)  # type: ignore[arg-type]
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
