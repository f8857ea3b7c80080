"""2x2 convolutions of tiny images as gathers and matrix products.

On images of a few cells a convolution's bookkeeping costs more than its arithmetic; one matrix product over all
patches of a batch does the same three times as fast on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rewardlab.networks.init import seeded_linear

POOLED_FROM = 7  # smaller images are not pooled


class GridConvolutions(nn.Module):
    """Three 2x2 convolutions with ReLU, a 2x2 max pool after the first where the image has room for it.

    Args:
        shape: height, width, channels of the image.
        widths: channels after each convolution.

    Attributes:
        size: length of the flattened output.
    """

    def __init__(self, shape: Sequence[int], widths: tuple[int, int, int], generator: torch.Generator) -> None:
        super().__init__()
        height, width, channels = shape
        self._image = tuple(shape)
        self._grid = (height - 1, width - 1)  # of the first convolution's output
        self._pooled = min(height, width) >= POOLED_FROM
        self.register_buffer("_index", _patch_index(height, width, channels), persistent=False)
        self.layers = nn.ModuleList(seeded_linear(4 * a, b, generator) for a, b in pairwise((channels, *widths)))
        rows, columns = (side // 2 for side in self._grid) if self._pooled else self._grid
        self.size = (rows - 2) * (columns - 2) * widths[-1]

    _index: torch.Tensor

    def patches(self, image: torch.Tensor) -> torch.Tensor:
        """What `forward` takes: [..., H, W, C] -> [..., (H - 1) * (W - 1), 4 * C]."""
        lead = image.shape[: image.dim() - 3]
        chosen = image.reshape(*lead, -1).index_select(-1, self._index)
        return chosen.view(*lead, self._grid[0] * self._grid[1], -1)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """[B, (H - 1) * (W - 1), 4 * C] -> [B, size], the last image flattened with its channels innermost."""
        first, *others = self.layers
        image = first(patches).view(-1, *self._grid, first.out_features)
        if self._pooled:
            image = functional.max_pool2d(image.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        image = torch.relu(image)
        for layer in others:
            gathered: torch.Tensor = _Patches.apply(image)  # type: ignore[no-untyped-call]
            image = torch.relu(layer(gathered))
        return image.flatten(1)


class _Patches(torch.autograd.Function):
    """The 2x2 neighbourhoods of an image: [B, H, W, C] -> [B, H - 1, W - 1, 4 * C], cells row by row."""

    @staticmethod
    def forward(context: Any, image: torch.Tensor) -> torch.Tensor:
        context.shape = image.shape
        return torch.cat(_corners(image), dim=-1)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        image = gradient.new_zeros(context.shape)
        for corner, share in zip(_corners(image), gradient.chunk(4, dim=-1), strict=True):
            corner += share
        return image


def _corners(image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return image[:, :-1, :-1], image[:, :-1, 1:], image[:, 1:, :-1], image[:, 1:, 1:]


def _patch_index(height: int, width: int, channels: int) -> torch.Tensor:
    """Where the numbers of each patch lie in the flattened image."""
    places = torch.arange(height * width * channels).view(1, height, width, channels)
    return torch.cat(_corners(places), dim=-1).flatten()
