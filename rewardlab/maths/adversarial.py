"""Telling demonstrated steps from an agent's, and what an agent is paid for not being told apart."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import softplus

REWARDS = ("logit", "positive", "negative")


def told_apart(demonstrated: torch.Tensor, played: torch.Tensor) -> torch.Tensor:
    """The binary cross-entropy of D = sigmoid(logit), demonstrated steps being 1: each mean counts half, a scalar.

    Source: Ho and Ermon 2016, Generative adversarial imitation learning (arXiv:1606.03476), eq. 16, with the signs of
    Kostrikov et al. 2019.

    Args:
        demonstrated, played: logits [B] of the two.
    """
    return 0.5 * (softplus(-demonstrated).mean() + softplus(played).mean())


def imitation_reward(logit: torch.Tensor, form: str) -> torch.Tensor:
    """What a step is paid, of the same shape.

    logit: log D - log(1 - D), of either sign (Fu et al. 2018, AIRL, arXiv:1710.11248; Kostrikov et al. 2019).
    positive: -log(1 - D), which prefers episodes that go on. negative: log D, which prefers those that end.
    """
    if form == "positive":
        return softplus(logit)
    return -softplus(-logit) if form == "negative" else logit


def gradient_penalty(
    judge: Callable[[torch.Tensor], torch.Tensor], demonstrated: torch.Tensor, played: torch.Tensor, at: torch.Tensor
) -> torch.Tensor:
    """How far the slope of `judge` is from 1 between pairs of inputs: the mean of (|slope| - 1)^2, a scalar.

    Source: Gulrajani et al. 2017, Improved training of Wasserstein GANs (arXiv:1704.00028), eq. 3.

    Args:
        judge: inputs [B, D] -> logits [B].
        demonstrated, played: the pairs, [B, D] each. at: [B], in [0, 1], how far from the second to the first.
    """
    between = torch.lerp(played, demonstrated, at.unsqueeze(-1)).requires_grad_(True)
    (slope,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
    penalty: torch.Tensor = (slope.norm(dim=-1) - 1.0).square().mean()
    return penalty


def shaped_reward(
    reward: torch.Tensor, before: torch.Tensor, after: torch.Tensor, done: torch.Tensor, gamma: float
) -> torch.Tensor:
    """g + gamma h(s') - h(s), where the task ended without h(s'): of the same shape.

    Source: Fu et al. 2018, Learning robust rewards with adversarial inverse reinforcement learning (arXiv:1710.11248),
    eq. 4. A final state has no value: were h(s') left in, leaving would be paid (Ng et al. 1999).

    Args:
        reward: g. before, after: h of the two states, of the same shape. done: bool, that the task terminated.
    """
    return reward + gamma * torch.where(done, 0.0, after) - before
