"""What a comparison of two segments teaches: losses of the difference between their summed rewards."""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid

LOSSES = ("bt", "margin", "scaled", "regression")


def preference_loss(
    difference: torch.Tensor, preferred: torch.Tensor, strength: torch.Tensor, kind: str = "bt"
) -> torch.Tensor:
    """The mean loss over B comparisons, [..., B] -> [...].

    bt: -log sigmoid(D) of the preferred one, the cross-entropy of Bradley and Terry's model, P(first) = sigmoid(D)
    (Christiano et al. 2017, arXiv:1706.03741, section 2.2.3). margin: -log sigmoid(D - m), which moves the optimum
    (Touvron et al. 2023, Llama 2, arXiv:2307.09288, eq. 2). scaled: m times bt, which weighs comparisons and leaves the
    optimum where it is; with m = 1 it is bt (Wang et al. 2024, HelpSteer2-Preference, arXiv:2410.01257). Between two
    that are as good there is no margin.

    Args:
        difference: [..., B], D: the first segment's sum less the second's.
        preferred: [..., B], by what share the first one is preferred: 1, 0, or 0.5 where both are as good.
        strength: [..., B], m >= 0; bt does not read it.
    """
    margin = strength * (2.0 * preferred - 1.0).abs() if kind == "margin" else 0.0
    loss = -preferred * logsigmoid(difference - margin) - (1.0 - preferred) * logsigmoid(-difference - margin)
    return (strength * loss if kind == "scaled" else loss).mean(dim=-1)


def rating_loss(means: torch.Tensor, ratings: torch.Tensor) -> torch.Tensor:
    """The mean square error of segments' mean rewards to what they were rated, [..., B] -> [...].

    The `regression` of Wang et al. 2024 (arXiv:2410.01257).
    """
    return (means - ratings).square().mean(dim=-1)


def along_preferences(apart: torch.Tensor) -> torch.Tensor:
    """How far the better of two lies ahead of the worse, in the direction in which the better ones lie: [..., C] >= 0.

    m = max(0, <h_better - h_worse, v>), where v is the mean of these differences, of length 1. After
    Feng et al. 2024, Legend: leveraging representation engineering to annotate safety margin for preference datasets,
    as its abstract says.

    Args:
        apart: features of the better less those of the worse, [..., C, H]; 0 where both are as good.
    """
    direction = apart.mean(dim=-2, keepdim=True)
    direction = direction / direction.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    ahead: torch.Tensor = (apart * direction).sum(dim=-1)
    return ahead.clamp(min=0.0)


def agreement(difference: torch.Tensor, preferred: torch.Tensor) -> torch.Tensor:
    """bool [..., B]: whether the greater sum is the preferred one; two that are as good agree with nothing."""
    return (difference * (preferred - 0.5)) > 0
