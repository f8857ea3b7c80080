"""Targets and losses of learning action values."""

from __future__ import annotations

import torch


def q_targets(
    reward: torch.Tensor, discount: torch.Tensor, values: torch.Tensor, choosing: torch.Tensor
) -> torch.Tensor:
    """reward + discount * values of the action that `choosing` prefers: [..., B].

    With the target network's values in both places this is Mnih et al. 2015; with the online network's as `choosing`
    it is double Q-learning, van Hasselt et al. 2016 (arXiv:1509.06461), eq. 4.

    Args:
        reward, discount: [B], of n steps; the discount is 0 where the task terminated.
        values, choosing: [..., B, A], of the observations that the steps lead to.
    """
    best = choosing.argmax(dim=-1, keepdim=True)
    return reward + discount * values.gather(-1, best).squeeze(-1)


def soft_q_targets(
    reward: torch.Tensor, discount: torch.Tensor, values: torch.Tensor, temperature: float
) -> torch.Tensor:
    """reward + discount * temperature * log sum_a exp(values / temperature): [..., B], shapes as above.

    Source: Haarnoja et al. 2017, Reinforcement learning with deep energy-based policies (arXiv:1702.08165), eq. 5, 6.
    """
    return reward + discount * temperature * torch.logsumexp(values / temperature, dim=-1)


def huber(error: torch.Tensor, delta: float | None) -> torch.Tensor:
    """error^2 / 2 up to `delta`, beyond it a line of slope `delta`: [...]; the square everywhere with None."""
    if delta is None:
        return 0.5 * error.square()
    size = error.abs()
    within = size.clamp(max=delta)
    return within * (size - 0.5 * within)


def large_margin(values: torch.Tensor, action: torch.Tensor, margin: float) -> torch.Tensor:
    """max_a (Q(s, a) + margin where a is not the demonstrated action) - Q(s, demonstrated): >= 0, [..., B].

    Source: Hester et al. 2018, Deep Q-learning from demonstrations (arXiv:1704.03732), eq. 1.

    Args:
        values: [..., B, A]. action: int64 [..., B, 1], the demonstrated ones.
    """
    raised = values + margin * torch.ones_like(values).scatter(-1, action, 0.0)
    return raised.amax(dim=-1) - values.gather(-1, action).squeeze(-1)


def majority_vote(values: torch.Tensor) -> torch.Tensor:
    """The action that most members prefer: int64 [B]; among equals the one of the larger mean value.

    Args:
        values: [E, B, A].
    """
    votes = torch.zeros_like(values[0]).scatter_add_(-1, values.argmax(dim=-1).t(), torch.ones_like(values[..., 0]).t())
    return (votes + 0.5 * values.mean(dim=0).softmax(dim=-1)).argmax(dim=-1)
