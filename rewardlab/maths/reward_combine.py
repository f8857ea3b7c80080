"""How several rewards become one: functions of parts [K, ...], in the order that a rule gives them a meaning by."""

from __future__ import annotations

import torch


def product(parts: torch.Tensor) -> torch.Tensor:
    """The first part times all others, each held within [0, 1], [...]: progress times soft factors.

    A factor of 0 freezes what is gained; none takes anything away. Source: Jaeger et al. 2025, CaRL (arXiv:2504.17838).
    """
    return parts[0] * parts[1:].clamp(0.0, 1.0).prod(dim=0)


def kinesthetic(parts: torch.Tensor) -> torch.Tensor:
    """The geometric mean of the parts' sizes, positive only where no part is negative, [...].

    Two negative parts stay negative; at 0 it jumps. Source: Moschopoulos et al. 2023, Lucy-SKG (arXiv:2305.15801).
    """
    size = parts.abs().prod(dim=0) ** (1.0 / len(parts))
    return torch.where((parts >= 0).all(dim=0), size, -size)


def gated(parts: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """The sum of the parts, each only where all parts before it reach their thresholds [K - 1], [...]."""
    passed = (parts[:-1] >= thresholds.view(-1, *[1] * (parts.dim() - 1))).to(parts.dtype).cumprod(dim=0)
    return parts[0] + (parts[1:] * passed).sum(dim=0)


def harmonic(parts: torch.Tensor, share: float) -> torch.Tensor:
    """1 / (share / r1 + (1 - share) / r2), [...]; 0, its limit, where one of the two is not positive."""
    first, second = parts
    positive = (first > 0) & (second > 0)
    mean = 1.0 / (share / first.where(positive, 1.0) + (1.0 - share) / second.where(positive, 1.0))
    return torch.where(positive, mean, 0.0)


def relevance_incentive_repetition(parts: torch.Tensor) -> torch.Tensor:
    """Relevance times incentive, less repetition, [...] (R3)."""
    return parts[0] * parts[1] - parts[2]


def mixed_grain(parts: torch.Tensor, share: float) -> torch.Tensor:
    """share r_episode + (1 - share) r_steps, [...], with r_steps the mean over an episode's steps, paid at its end."""
    return share * parts[0] + (1.0 - share) * parts[1]
