"""A Gaussian squashed into (-1, 1) by tanh: the policy of soft actor-critic.

Source: Haarnoja et al. 2018, Soft actor-critic algorithms and applications (arXiv:1812.05905), appendix C, eqs. 20, 21.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from rewardlab.maths.distributions import HALF_LOG_TWO_PI

_LOG_TWO = math.log(2.0)


def squashed_sample(
    mean: torch.Tensor, log_std: torch.Tensor, noise: torch.Tensor, weight: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions a = tanh(mean + std * noise), [..., A], and their log-densities, summed over the components: [...].

    Args:
        mean, log_std: [..., A], before the squashing. noise: [..., A], standard normal.
        weight: [..., A], of each component's log-density in the sum; None: 1.
    """
    raw = mean + log_std.exp() * noise
    density = -(0.5 * noise.square() + log_std + HALF_LOG_TWO_PI)
    # log(1 - tanh(u)^2) in a form that does not lose all digits where |u| is large.
    stretch = 2.0 * (_LOG_TWO - raw - functional.softplus(-2.0 * raw))
    density = density - stretch
    return raw.tanh(), (density if weight is None else weight * density).sum(dim=-1)
