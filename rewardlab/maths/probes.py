"""What can be read off features by a linear map: whether a network knows a number without having been told it."""

from __future__ import annotations

import torch

_RIDGE = 1e-3  # share of the features' own squares


def probed(features: torch.Tensor, numbers: torch.Tensor, unseen: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """R^2 on unseen steps of a ridge regression with intercept, float64 [K]: 1 is all, 0 is what a mean tells.

    NaN where a number is the same for all unseen steps.

    Args:
        features: [B, H], and unseen [C, H]. numbers: [B, K], what to tell of them, and wanted [C, K].
    """
    features, numbers, unseen, wanted = (each.double() for each in (features, numbers, unseen, wanted))
    middle, level = features.mean(dim=0), numbers.mean(dim=0)
    centred = features - middle
    squares = centred.T @ centred
    ridge = _RIDGE * squares.diagonal().mean().clamp(min=1e-12)
    weights = torch.linalg.solve(squares + ridge * torch.eye(len(squares)).to(squares), centred.T @ (numbers - level))
    missed: torch.Tensor = (wanted - level - (unseen - middle) @ weights).square().sum(dim=0)
    varies = (wanted - wanted.mean(dim=0)).square().sum(dim=0)
    return torch.where(varies > 0, 1.0 - missed / varies, torch.nan)
