"""Preferences of several users with one reward r(s, z): what its parts weigh, and how its users come to one scale.

Source: Poddar et al. 2024, Personalizing reinforcement learning from human feedback with variational preference
learning (VPL, arXiv:2408.10075).
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from rewardlab.maths.distributions import Parameters, kl_divergence

SCALINGS = ("none", "max", "learned", "spo")
_TEMPERATURE = 1e-3  # of `learned`
_TWICE = 2.0  # the authors' code leaves out the 1/2 of the divergence


def cyclical_weight(step: int, steps: int, cycles: int) -> float:
    """The share of the KL term in gradient step `step` of `steps`: from 0 towards 1 by a cosine, in each cycle anew.

    Source: Fu et al. 2019, Cyclical annealing schedule (arXiv:1903.10145); the cosine is that of VPL's code.
    """
    length = steps / cycles
    return (1.0 - math.cos(math.pi * (step % length) / length)) / 2.0


def set_loss(
    difference: torch.Tensor, preferred: torch.Tensor, posterior: Parameters, prior: Parameters, weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The negative evidence bound of B sets of S comparisons, each of one user, and the KL in nats: mean over sets.

    Cross-entropies are summed over a set. The divergence counts twice: the authors' code leaves out its 1/2.

    Args:
        difference: [B, S], r(first, z) - r(second, z). preferred: [B, S], 1 where the first is the better one.
        posterior: `mean` and `log_std` [B, D] of each set's z. prior: those of all users, [D].
        weight: of the divergence, by `cyclical_weight`.
    """
    told = binary_cross_entropy_with_logits(difference, preferred, reduction="none").sum(dim=-1)
    divergence = kl_divergence(posterior, prior).mean()
    return told.mean() + _TWICE * weight * divergence, divergence.detach()


def information_gain(log_std: torch.Tensor) -> torch.Tensor:
    """How much the answers to a set of questions would tell of its user, by what each way of answering leaves unknown:
    log(2 pi E sum_d var_d) - E sum_d log(2 pi var_d), [L, C, D] of L ways of answering -> [C] of C sets.

    As in VPL's code: a measure that orders sets, no number of nats.
    """
    variance = (2.0 * log_std).exp()
    spread = (2.0 * math.pi * variance.sum(dim=-1).mean(dim=0)).log()
    return spread - (2.0 * math.pi * variance).log().sum(dim=-1).mean(dim=0)


def on_one_scale(rewards: torch.Tensor, compared: torch.Tensor, scaling: str) -> torch.Tensor:
    """Rewards of B steps, each of some user, [B] -> [B]: users' scales are arbitrary, and are brought to one.

    max: r / max |r|. learned: exp(1e-3 (r - log mean exp r)). spo: the mean over s' of P(s is better than s'), within
    [0, 1] and the same for all rewards r + constant.

    Args:
        compared: [B, M], what the step's user gives to the M states that are compared with.
        scaling: one of `SCALINGS`.
    """
    if scaling == "max":
        return rewards / compared.abs().amax(dim=-1).clamp(min=1e-8)
    if scaling == "learned":
        mean = compared.logsumexp(dim=-1) - math.log(compared.shape[-1])
        return (_TEMPERATURE * (rewards - mean)).exp()
    if scaling == "spo":
        return torch.sigmoid(rewards.unsqueeze(-1) - compared).mean(dim=-1)
    return rewards
