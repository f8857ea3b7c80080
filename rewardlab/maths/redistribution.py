"""How an episode's return is handed out among its steps.

Sources: Ren et al. 2022, Learning long-term reward redistribution via randomized return decomposition (RRD,
arXiv:2111.13485), sections 3 and 4; Gangwani et al. 2020, Learning guidance rewards with trajectory-space smoothing
(IRCR, arXiv:2010.12718); Arjona-Medina et al. 2019, RUDDER (arXiv:1806.07857), section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.types import Array


def means_of(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The mean of each of M runs of values, [B] with the lengths int64 [M] -> [M]."""
    return sums_of(values, counts) / counts


def sums_of(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The sum of each of M runs of values, [B] with the lengths int64 [M] -> [M]."""
    owner = torch.repeat_interleave(torch.arange(len(counts), device=values.device), counts)
    return torch.zeros(len(counts), dtype=values.dtype, device=values.device).index_add(0, owner, values)


def share_errors(
    predicted: torch.Tensor, share: torch.Tensor, lengths: torch.Tensor, unbiased: bool = False
) -> torch.Tensor:
    """The squared error of the mean reward of K steps of each of M episodes, as that of all its steps: [M] (RRD).

    Unbiased, the variance that comes from drawing K of T steps is taken off: (1 - K / T) s^2 / K, s^2 the steps'
    variance over K - 1. Without replacement the mean over all draws is then (share - mean of all steps)^2. Where K > T
    steps are drawn with replacement, and the factor is 1.

    Args:
        predicted: [M, K], of the steps that were drawn. share: [M], R / T. lengths: [M], T.
    """
    count = predicted.shape[1]
    errors = (share - predicted.mean(dim=1)).square()
    if not unbiased:
        return errors
    factor = torch.where(lengths >= count, 1.0 - count / lengths, 1.0)
    return errors - factor * predicted.var(dim=1) / count


def between(returns: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Returns on a scale from the lowest, 0, to the highest, 1 (IRCR); 0 where these are equal."""
    return (returns - low) / (high - low) if high > low else torch.zeros_like(returns)


@dataclass
class Accounts:
    """The running episodes of N environments: float64 [N] what was predicted last, earned and paid; bool [N] whether
    the episode is paid by predictions.
    """

    predicted: Array
    earned: Array
    paid: Array
    redistributes: Array

    @staticmethod
    def opened(num_envs: int) -> Accounts:
        predicted, earned, paid = np.zeros((3, num_envs))
        return Accounts(predicted, earned, paid, np.zeros(num_envs, dtype=bool))


def differences(predicted: Array, reward: Array, first: Array, done: Array, accounts: Accounts, ready: bool) -> Array:
    """How much each step changes the prediction of the episode's return; the last step is paid what is still owed.

    So an episode is paid its return exactly, whatever was predicted, and whether or not it is cut into rollouts
    between which the predictor has changed. Before the first step the prediction is 0 (RUDDER, with g_-1 = 0). An
    episode that began before the predictor was `ready` is paid the task's reward to its end.

    Args:
        predicted: float [T, N], of the return, after each step. reward: float32 [T, N]. first, done: bool [T, N].
        accounts: brought up to date.

    Returns:
        float32 [T, N].
    """
    handed_out = np.zeros(reward.shape, dtype=np.float32)
    for t in range(len(reward)):
        begins = first[t]
        for account in (accounts.predicted, accounts.earned, accounts.paid):
            account[begins] = 0.0
        accounts.redistributes[begins] = ready
        accounts.earned += reward[t]
        gain = np.where(accounts.redistributes, predicted[t] - accounts.predicted, reward[t])
        handed_out[t] = np.where(done[t], accounts.earned - accounts.paid, gain)
        accounts.paid += handed_out[t]
        accounts.predicted = predicted[t].astype(np.float64)
    return handed_out
