"""How likely the first of two is better where a reward is not a number but a distribution, of users who disagree.

Source: Siththaranjan et al. 2024, Distributional preference learning: understanding and accounting for hidden context
in RLHF (arXiv:2312.08358), as the code of Poddar et al. 2024 (VPL) has it. Log odds are log P - log(1 - P), so that the
cross-entropy of a sigmoid of them is that of P.
"""

import torch

_CERTAIN = 1e-6  # a chance stays that far from 0 and 1


def normal_odds(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Log odds that the first normal variable is the greater one, [..., 2] each -> [...]: P = Phi(z)."""
    z = (mean[..., 0] - mean[..., 1]) / log_variance.exp().sum(dim=-1).sqrt()
    odds: torch.Tensor = torch.special.log_ndtr(z) - torch.special.log_ndtr(-z)
    return odds


def categorical_odds(logits: torch.Tensor) -> torch.Tensor:
    """Log odds that the first is the greater one, where equals count half: [..., 2, A] of A ordered values -> [...]."""
    first, second = logits.softmax(dim=-1).unbind(dim=-2)
    below = second.cumsum(dim=-1) - 0.5 * second
    return torch.logit((first * below).sum(dim=-1), eps=_CERTAIN)


def negative_entropy(logits: torch.Tensor) -> torch.Tensor:
    """Of the mean of B distributions over A values, [..., A] -> a scalar, in nats."""
    mean = logits.softmax(dim=-1).flatten(0, -2).mean(dim=0)
    return torch.xlogy(mean, mean).sum()
