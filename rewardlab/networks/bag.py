"""A linear layer over one-hot integers without the one-hot vectors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Gradients = tuple[None, torch.Tensor]


class PositionBag(nn.Module):
    """K integers below `values` -> `rows` -> the sum of K learned rows, one table per position: [B, K] -> [B, size].

    The same function as a linear layer on the concatenated one-hot vectors, which it never builds on the way
    forward: about four times as fast. With a table for each position it knows the order of the integers.
    """

    offsets: torch.Tensor

    def __init__(self, count: int, values: int, size: int, generator: torch.Generator, gain: float) -> None:
        super().__init__()
        self.values = values
        self.register_buffer("offsets", torch.arange(count) * values, persistent=False)
        self.weight = nn.Parameter(torch.empty(count * values, size))
        # Only one row in `values` is active: without the factor its output would be that much smaller.
        nn.init.orthogonal_(self.weight, gain * math.sqrt(values), generator=generator)
        self.bias = nn.Parameter(torch.zeros(size))

    def rows(self, integers: torch.Tensor) -> torch.Tensor:
        """The rows that integers [..., K] choose: what `forward` takes."""
        return integers.long() + self.offsets

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        summed: torch.Tensor = _GatherSum.apply(rows, self.weight)  # type: ignore[no-untyped-call]
        return summed + self.bias


class _GatherSum(torch.autograd.Function):
    """embedding_bag, with a matrix product for its gradient: three times as fast as the scattered one."""

    @staticmethod
    def forward(context: Any, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(rows)
        context.total = weight.shape[0]
        return functional.embedding_bag(rows, weight, mode="sum")

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> Gradients:
        (rows,) = context.saved_tensors
        onehot = torch.zeros(rows.shape[0], context.total, dtype=gradient.dtype, device=gradient.device)
        return None, onehot.scatter_(1, rows, 1.0).t() @ gradient
