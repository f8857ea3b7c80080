"""The losses of policy optimisation."""

from __future__ import annotations

import torch


def clipped_policy_loss(ratio: torch.Tensor, advantage: torch.Tensor, clip: float) -> torch.Tensor:
    """PPO's clipped surrogate, to be minimised: a scalar.

    Source: Schulman et al. 2017, "Proximal policy optimization algorithms", eq. 7.

    Args:
        ratio: [...], new over old probability of the action taken.
        advantage: [...].
        clip: how far the ratio may move before it stops to pay.
    """
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    return -torch.minimum(ratio * advantage, clipped * advantage).mean()


def value_loss(
    values: torch.Tensor, returns: torch.Tensor, old_values: torch.Tensor, clip: float | None = None
) -> torch.Tensor:
    """Mean squared error, averaged over the batch and summed over the S heads: a scalar (no factor 1/2).

    With `clip`, the worse of the error and the error of a prediction held within `clip` of the old one.

    Args:
        values, returns, old_values: [..., S].
    """
    error = (values - returns).square()
    if clip is not None:
        held = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (held - returns).square())
    return error.flatten(0, -2).mean(dim=0).sum()


def approximate_kl(log_ratio: torch.Tensor) -> torch.Tensor:
    """Estimate of KL(old || new) from samples of old, never negative: a scalar.

    Source: Schulman 2020, "Approximating KL divergence", estimator k3.

    Args:
        log_ratio: [...], log of new over old probability of the action taken.
    """
    return (log_ratio.exp() - 1.0 - log_ratio).mean()
