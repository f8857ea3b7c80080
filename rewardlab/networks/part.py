"""What an encoder is made of: something for each entry of an observation."""

import torch
from torch import nn


class Part(nn.Module):
    """One entry: [..., *shape] -> `prepare` -> [..., its own]; [B, its own] -> `forward` -> [B, size].

    Attributes:
        block: how many are best learned from at once; None: any number.
    """

    size: int
    block: int | None = None

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError
