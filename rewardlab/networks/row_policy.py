"""A fully connected policy of one observation at a time, for compiled loops: see `FusedActorCritic.logits` for batches.

A grid world shows few views, most of whose numbers are zero. A loop that passes over those that are not, once for each
view, is quicker than a matrix product over all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch import nn

from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.encoder import Flat, Tokens
from rewardlab.networks.fused import kinds_of
from rewardlab.networks.fused_kernels import LOOSE, activate, tanh
from rewardlab.types import Array

_32 = np.float32


class RowWeights(NamedTuple):
    """What `logits_of` reads. Layers are padded to the widest, so that they share an array.

    Attributes:
        weights: float32 [L, inputs + 1, outputs], zeros in the last row. biases: float32 [L, outputs].
        shapes: int64 [L, 3]: of each layer inputs, outputs, kind of activation.
        table: float32 [K * values, H], of a one-hot image: a row for each number's value; else [0, 0].
        table_bias: float32 [H], or [0].
        missions: float32 [M, D], the features of each mission or heading; D = 0 where none is seen.
        values: how many values a number of a one-hot image can have.
        scale: what the numbers of another image are multiplied by.
        image_at, mission_at: where their features begin.
    """

    weights: Array
    biases: Array
    shapes: Array
    table: Array
    table_bias: Array
    missions: Array
    values: int
    scale: float
    image_at: int
    mission_at: int


def _logits_of(
    images: Array, i: int, mission: int, policy: RowWeights, layers: Array, there: Array, logits: Array
) -> None:  # pragma: no cover
    """logits[i] [A], filled, of the flat image images[i], uint8 [P], and the number of a mission.

    Args:
        layers: float32 [L + 1, widest + 1], overwritten: what goes into each layer, and the logits.
        there: int64 [widest + 4], overwritten: which numbers of a layer's are not zero.
    """
    weights, biases, shapes, table, table_bias, missions, values, scale, image_at, mission_at = policy
    size, told_apart = images.shape[1], table_bias.size
    if told_apart > 0:
        for j in range(told_apart):
            layers[0, image_at + j] = table_bias[j]
        for k in range(size):
            row = k * values + images[i, k]
            for j in range(told_apart):
                layers[0, image_at + j] += table[row, j]
        tanh(layers[0, image_at : image_at + told_apart])
    else:
        for k in range(size):
            layers[0, image_at + k] = images[i, k] * _32(scale)
    for k in range(missions.shape[1]):
        layers[0, mission_at + k] = missions[mission, k]
    for layer in range(shapes.shape[0]):
        width, height = shapes[layer, 0], shapes[layer, 1]
        count = 0
        for k in range(width):
            there[count] = k
            count += layers[layer, k] != _32(0.0)
        for k in range(3):  # four at a time: what is missing is zero
            there[count + k] = width
        layers[layer, width] = _32(0.0)
        for j in range(height):
            layers[layer + 1, j] = biases[layer, j]
        for at in range(0, count, 4):
            a, b, c, d = there[at], there[at + 1], there[at + 2], there[at + 3]
            of_a, of_b, of_c, of_d = layers[layer, a], layers[layer, b], layers[layer, c], layers[layer, d]
            for j in range(height):
                layers[layer + 1, j] += (
                    of_a * weights[layer, a, j]
                    + of_b * weights[layer, b, j]
                    + of_c * weights[layer, c, j]
                    + of_d * weights[layer, d, j]
                )
        activate(layers[layer + 1, :height], shapes[layer, 2])
    for j in range(logits.shape[1]):
        logits[i, j] = layers[shapes.shape[0], j]


logits_of: Any = numba.njit(_logits_of, fastmath=LOOSE, error_model="numpy")


class RowPolicy:
    """The policy of an `ActorCritic` of which `fits` is true: its weights as `logits_of` reads them.

    Args:
        extra: actions, the last ones, that it leaves out.

    Attributes:
        num_actions: A.
        depth, widest: L, and the most that goes into or out of a layer.
    """

    def __init__(self, network: ActorCritic, extra: int = 0) -> None:
        modules = [*network.shared, *network.policy]
        self._layers = [module for module in modules if isinstance(module, nn.Linear)]
        sizes = [(layer.in_features, layer.out_features) for layer in self._layers]
        self.num_actions, self.depth, self.widest = sizes[-1][1] - extra, len(sizes), max(map(max, sizes))
        shapes = [(*size, kind) for size, kind in zip(sizes, kinds_of(modules), strict=True)]
        self._shapes = np.array(shapes, dtype=np.int64)
        self._shapes[-1, 1] = self.num_actions
        self._weights = torch.zeros(self.depth, max(size[0] for size in sizes) + 1, max(size[1] for size in sizes))
        self._biases = torch.zeros(self.depth, self._weights.shape[2])
        parts: dict[str, Flat | Tokens] = dict(network.encoder.parts.items())  # type: ignore[arg-type]  # see `fits`
        self._image, self._mission = parts["image"], parts.get("mission", parts.get("vector"))
        self._mission_first = next(iter(parts)) != "image"

    @staticmethod
    def fits(network: ActorCritic) -> bool:
        """Whether it is fully connected, of discrete actions, without memory, and reads an image; beside it at most one
        of a mission and a vector, which must be of few values.
        """
        parts = network.encoder.parts
        seen = "image" in parts and set(parts) - {"image"} in (set(), {"mission"}, {"vector"})
        return seen and isinstance(parts["image"], (Flat, Tokens)) and network.memory is None and network.box is None

    @torch.no_grad()
    def weights(self, missions: torch.Tensor) -> RowWeights:
        """As they are now, in memory that the next call writes to.

        Args:
            missions: int64 [M, L], the tokens of each mission, or float32 [M, L], each vector; [0, 0] where neither is
                seen.
        """
        for index, layer in enumerate(self._layers):
            self._weights[index, : layer.in_features, : layer.out_features] = layer.weight.t()
            self._biases[index, : layer.out_features] = layer.bias
        image, bag = self._image, self._image.bag if isinstance(self._image, Tokens) else None
        features = torch.empty(0, 0)
        if self._mission is not None:
            features = self._mission(self._mission.prepare(missions))
        return RowWeights(
            weights=self._weights.numpy(),
            biases=self._biases.numpy(),
            shapes=self._shapes,
            table=np.empty((0, 0), np.float32) if bag is None else bag.weight.numpy(),
            table_bias=np.empty(0, np.float32) if bag is None else bag.bias.numpy(),
            missions=features.numpy(),
            values=0 if bag is None else bag.values,
            scale=image.scale if isinstance(image, Flat) else 1.0,
            image_at=features.shape[1] if self._mission_first else 0,
            mission_at=0 if self._mission_first else image.size,
        )
