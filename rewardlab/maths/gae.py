"""Generalised advantage estimation over the ends of episodes, terminated or cut off.

Source: Schulman et al. 2016, "High-dimensional continuous control using generalized advantage estimation", eq. 16;
streams that run through the ends of episodes: Burda et al. 2018, "Exploration by random network distillation", 2.3.
"""

from __future__ import annotations

import torch

from rewardlab.maths.compiled import compiles, scan_back


def gae(
    reward: torch.Tensor,
    values: torch.Tensor,
    final_values: torch.Tensor,
    terminated: torch.Tensor,
    truncated: torch.Tensor,
    *,
    gamma: float,
    gae_lambda: float,
    episodic: bool = True,
    bootstrap_truncation: bool = True,
) -> torch.Tensor:
    """Advantages [T, N] of one reward stream.

    An episodic stream is worth nothing after termination; where the episode is only cut off, the value of the
    true final observation stands for what would have come. Neither lets later rewards flow back into the episode.
    A stream that is not episodic runs through both: the value after the last step of an episode is that of the
    first observation of the next.

    Args:
        reward: float [T, N].
        values: float [T + 1, N], of the observations acted on, and of the one after them.
        final_values: float [T, N], of the true successors; read only where an episode was cut off.
        terminated, truncated: bool [T, N]; termination counts where both are true.
        gamma: discount of the stream.
        gae_lambda: 0 is the one-step error, 1 the whole observed return.
        episodic: whether the stream ends with the episode.
        bootstrap_truncation: false treats a truncation as a termination.
    """
    steps = reward.shape[0]
    next_values = values[1:]
    decay = torch.full_like(reward, gamma * gae_lambda)
    if episodic:
        worthless = terminated if bootstrap_truncation else terminated | truncated
        next_values = torch.where(truncated, final_values, next_values).masked_fill(worthless, 0.0)
        decay = decay.masked_fill(terminated | truncated, 0.0)
    advantages = reward + gamma * next_values - values[:-1]
    if compiles(advantages):
        scan_back(advantages.numpy(), decay.numpy())
        return advantages
    for step in range(steps - 2, -1, -1):
        advantages[step].addcmul_(decay[step], advantages[step + 1])
    return advantages


def normalised(advantage: torch.Tensor, floor: float) -> torch.Tensor:
    """Advantages [...] to mean 0 and standard deviation 1; never divided by less than `floor`."""
    std = advantage.std(unbiased=False).clamp(min=max(floor, 1e-8))
    return (advantage - advantage.mean()) / std


def explained_variance(predicted: torch.Tensor, observed: torch.Tensor) -> float | None:
    """Share of the variance of `observed` that `predicted` explains (1 is perfect), None where there is none."""
    variance = observed.var(unbiased=False)
    if variance <= 1e-12:
        return None
    return float(1.0 - (observed - predicted).var(unbiased=False) / variance)
