"""The terms of offline losses, and their gradients."""

from __future__ import annotations

import math

import torch


def expectile(error: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """|share - 1[u < 0]| u^2 of errors u = target - value, and its slope in u: each of the same shape.

    The value at which the mean slope is 0 is the expectile: the mean of the targets at share 1/2, their largest in the
    limit 1. Kostrikov et al. 2022, Offline reinforcement learning with implicit Q-learning (arXiv:2110.06169), eq. 5.
    """
    weight = torch.where(error < 0, 1.0 - share, share)
    return weight * error.square(), 2.0 * weight * error


def advantage_weights(advantage: torch.Tensor, beta: float, most: float = 100.0) -> torch.Tensor:
    """min(exp(beta A), most): by how much each action is imitated (the same paper, eq. 7 and the authors' bound)."""
    return (beta * advantage).clamp(max=math.log(most)).exp()


def cosine(progress: float) -> float:
    """What is left of a step size that falls from 1 to 0 along half a cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def imitation(logits: torch.Tensor, action: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """-weight log p(action) of categorical policies, [B], and its slope in the logits, [B, A].

    Args:
        logits: [B, A]. action: int64 [B]. weight: [B].
    """
    log_probs = logits.log_softmax(dim=-1)
    index = action.unsqueeze(-1)
    slope = log_probs.exp()
    slope.scatter_add_(-1, index, torch.full_like(index, -1, dtype=slope.dtype))
    return -weight * log_probs.gather(-1, index).squeeze(-1), slope.mul_(weight.unsqueeze(-1))


def gaussian_imitation(
    raw: torch.Tensor, log_std: torch.Tensor, action: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """-weight log p(action) of Gaussians with the mean tanh(raw), [B]; its slopes in raw [B, A] and log_std [B, A].

    Args:
        raw: [B, A]. log_std: [A]. action: [B, A], within (-1, 1). weight: [B].
    """
    mean = raw.tanh()
    scaled = (action - mean) * (-log_std).exp()
    each = 0.5 * scaled.square() + log_std + 0.5 * math.log(2.0 * math.pi)
    beside = weight.unsqueeze(-1)
    of_raw = -beside * scaled * (-log_std).exp() * (1.0 - mean.square())
    return weight * each.sum(dim=-1), of_raw, beside * (1.0 - scaled.square())


def largest(values: torch.Tensor, log_density: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """log sum exp(Q - log mu) of actions, [B], and its slope in Q, [B, K]: what conservative critics push down.

    Kumar et al. 2020, Conservative Q-learning (arXiv:2006.04779), eq. 4. Of all discrete actions it is the sum itself;
    of drawn ones the integral over actions, up to log K, by importance sampling (their appendix F).

    Args:
        values: [B, K]. log_density: [B, K], of the draws; None: these are all actions there are.
    """
    scores = values if log_density is None else values - log_density
    return scores.logsumexp(dim=-1), scores.softmax(dim=-1)


def goal_scores(
    later: torch.Tensor, targets: torch.Tensor, reaching: torch.Tensor, gamma: float, dual: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """SMORe's loss of scores, a scalar, and its slopes in the scores of both kinds of steps, [B] and [G].

    Sikchi et al. 2024, Score models for offline goal-conditioned reinforcement learning (arXiv:2311.02013). In the
    paper's dual, steps that reach their goal go up, others consistently with what follows; the authors' code makes
    squares of it, with a score of 2 / (1 - gamma) for reaching and -2 a step.

    Args:
        later: [B], of steps towards goals reached later. targets: [B], gamma V of what follows them.
        reaching: [G], of steps whose goal is where they lead.
    """
    if dual:
        error, bound = later - targets, 1e-4
        loss = -reaching.mean() + bound * later.mean() + 0.5 * error.square().mean()
        return loss, (error + bound) / len(later), torch.full_like(reaching, -1.0 / len(reaching))
    error, bound, short = later + 2.0 - targets, 1e-4 * (1.0 - gamma), reaching - 2.0 / (1.0 - gamma)
    loss = short.square().mean() + bound * later.square().mean() + 0.5 * error.square().mean()
    return loss, (error + 2.0 * bound * later) / len(later), 2.0 * short / len(reaching)
