"""How near what is seen is to a goal, in the space of an encoder: all rows are unit vectors.

Sources: Rocamonde et al. 2023, Vision-language models are zero-shot reward models for reinforcement learning
(VLM-RM, arXiv:2310.12921), equation 4; Huang et al. 2024, VLM-RL (arXiv:2412.15544), equations of its paper and,
otherwise, of its code (github.com/zihaosheng/VLM-RL).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Rows [..., D] at length 1; rows of zeros stay."""
    return functional.normalize(rows, dim=-1)


def cosine(seen: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """[B] in [-1, 1]: of rows [B, D] and one vector [D], of any lengths."""
    return unit(seen) @ unit(other)


def projected(seen: torch.Tensor, goal: torch.Tensor, baseline: torch.Tensor, alpha: float) -> torch.Tensor:
    """VLM-RM's goal-baseline regularisation: 1 - |M (s - g)|^2 / 2, [B]; 1 at the goal.

    M = alpha P + (1 - alpha) I, with P the projection onto the direction from the baseline to the goal. The line runs
    through the two, so that s - g is projected, not s.

    Args:
        seen: s, unit vectors [B, D].
        goal, baseline: g and b, [D]: means of unit vectors, which are not made unit vectors again.
        alpha: 0: the plain distance; 1: along the line alone.
    """
    away, along = seen - goal, unit(goal - baseline)
    share = (away @ along).unsqueeze(-1) * along
    return 1.0 - 0.5 * (alpha * share + (1.0 - alpha) * away).square().sum(dim=-1)


def contrasted(seen: torch.Tensor, goal: torch.Tensor, baseline: torch.Tensor, alpha: float) -> torch.Tensor:
    """VLM-RL's paper: alpha cos(s, g) - (1 - alpha) cos(s, b), [B]."""
    return alpha * cosine(seen, goal) - (1.0 - alpha) * cosine(seen, baseline)


def target_share(seen: torch.Tensor, goal: torch.Tensor, baseline: torch.Tensor, margin: float) -> torch.Tensor:
    """VLM-RL's code: what share of the top speed is wanted, [B] in [0, 1].

    1 - z / margin with z = cos(s, b) - cos(s, g), cut to [0, margin].
    """
    z = (cosine(seen, baseline) - cosine(seen, goal)).clamp(0.0, margin)
    return 1.0 - z / margin


def speed_reward(
    speed: torch.Tensor, share: torch.Tensor, top_speed: float, off: Sequence[torch.Tensor]
) -> torch.Tensor:
    """VLM-RL's code: 1 - |speed - share top_speed| / top_speed, times max(0, 1 - x) for each x of `off`; below 0 beyond
    the top speed.
    """
    reward = 1.0 - (speed - share * top_speed).abs() / top_speed
    for each in off:
        reward = reward * (1.0 - each).clamp(min=0.0)
    return reward
