"""What an encoder is made of: something for each entry of an observation."""

import torch
from torch import nn


class Part(nn.Module):
    """One entry: [..., *shape] -> `prepare` -> [..., its own]; [B, its own] -> `forward` -> [B, size]."""

    size: int

    def prepare(self, entry: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError
