"""Shuffled minibatches."""

from collections.abc import Iterator

import torch


def minibatches(count: int, size: float, epochs: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Indices [B] of minibatches: every one of `count` items once per epoch, in a new order each time.

    The items are dealt out evenly, to as many minibatches as `size` asks for: none is left over and tiny.
    """
    parts = min(count, max(1, round(count / size)))
    for _ in range(epochs):
        yield from torch.randperm(count, generator=generator).tensor_split(parts)
