"""How likely a view is by those that were counted: every number of it by itself, one of C classes.

Source: Fickinger et al. 2021, "Explore and control with adversarial surprise" (arXiv:2107.07394), and its code.
"""

from __future__ import annotations

import torch


def shares(counts: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Of each class among the views counted, [..., P, C]; all alike where none was.

    Args:
        counts: float [..., P, C], of each class at each of P places.
        size: float [...], of views counted.
    """
    uniform = counts.new_tensor(1.0 / counts.shape[-1])
    size = size[..., None, None]
    return torch.where(size > 0, counts / size.clamp(min=1.0), uniform)


def log_density(view: torch.Tensor, counts: torch.Tensor, size: torch.Tensor, floor: float) -> torch.Tensor:
    """log p of views by `shares`, none below `floor`, [...]: shares are not made to sum to 1 again.

    Args:
        view: int64 [..., P], below C.
        counts, size: see `shares`.
    """
    likely = shares(counts, size).gather(-1, view[..., None])[..., 0]
    return likely.clamp(min=floor).log().sum(dim=-1)
