"""All weights of a network in one vector: an optimiser's step and a gradient's norm are one operation each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def flatten(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """Move the parameters into one vector, of which they are views from here on; returns it.

    Whoever optimises the vector sets its `grad`: the concatenated gradients of the parameters, in their order.
    """
    vector = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in parameters]))
    start = 0
    for parameter in parameters:
        parameter.data = vector.data[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()
    return vector
