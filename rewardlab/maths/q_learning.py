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


def huber(error: torch.Tensor, delta: float | None) -> torch.Tensor:
    """error^2 / 2 up to `delta`, beyond it a line of slope `delta`: [...]; the square everywhere with None."""
    if delta is None:
        return 0.5 * error.square()
    size = error.abs()
    within = size.clamp(max=delta)
    return within * (size - 0.5 * within)


def majority_vote(values: torch.Tensor) -> torch.Tensor:
    """The action that most members prefer: int64 [B]; among equals the one of the larger mean value.

    Args:
        values: [E, B, A].
    """
    votes = torch.zeros_like(values[0]).scatter_add_(-1, values.argmax(dim=-1).t(), torch.ones_like(values[..., 0]).t())
    return (votes + 0.5 * values.mean(dim=0).softmax(dim=-1)).argmax(dim=-1)
