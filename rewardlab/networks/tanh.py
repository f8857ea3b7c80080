"""The hyperbolic tangent at a third of the cost of `torch.tanh` on CPUs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Tanh(nn.Module):
    """`fast_tanh` as a layer."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return fast_tanh(values)


def fast_tanh(values: torch.Tensor) -> torch.Tensor:
    """2 * sigmoid(2 x) - 1, which is tanh(x), to 2e-7: torch's sigmoid is vectorised where its tanh is not."""
    if not torch.is_grad_enabled():
        return _tanh(values)
    result: torch.Tensor = _Tanh.apply(values)  # type: ignore[no-untyped-call]
    return result


def _tanh(values: torch.Tensor) -> torch.Tensor:
    return (values * 2.0).sigmoid_().mul_(2.0).sub_(1.0)


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: torch.Tensor) -> torch.Tensor:
        result = _tanh(values)
        context.save_for_backward(result)
        return result

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        (result,) = context.saved_tensors
        return torch.ops.aten.tanh_backward(gradient, result)  # type: ignore[no-any-return]
