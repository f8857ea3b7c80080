"""Rewards of all users as one distribution: what users disagree on is spread, not a user's own.

Source: Siththaranjan et al. 2024, Distributional preference learning (arXiv:2312.08358); constants as in the code of
Poddar et al. 2024 (VPL, arXiv:2408.10075), whose baselines they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rewardlab.maths.distributional_preferences import categorical_odds, negative_entropy, normal_odds
from rewardlab.parts.models.user_reward import UserReward

POOLED = ("bt", "mean_variance", "categorical")
_VALUES = 51  # of `categorical`, evenly from 0 to 1
_PENALTY = 0.1  # of variances, and of the mean distribution's negative entropy


class MeanVarianceReward(UserReward):
    """A normal distribution for each state, whose mean is paid. Variances are penalised: comparisons leave their scale
    open. P(first) = Phi(z) is exact here; the code has a logistic function in its place.
    """

    def __init__(self, states: int, size: int, hidden: Sequence[int], generator: torch.Generator) -> None:
        super().__init__(states, 0, size, "mean", hidden, generator, outputs=2)

    def forward(self, states: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        return self.outputs(states, latent)[..., 0]

    def judged(self, pairs: torch.Tensor, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_variance = self.outputs(pairs, latent).unbind(dim=-1)
        return normal_odds(mean, log_variance), _PENALTY * log_variance.exp().sum(dim=-1).mean()


class CategoricalReward(UserReward):
    """How likely each of 51 values from 0 to 1 is for a state; their mean is paid. Together, all states are to have all
    values: the entropy of their mean distribution is rewarded.
    """

    values: torch.Tensor

    def __init__(self, states: int, size: int, hidden: Sequence[int], generator: torch.Generator) -> None:
        super().__init__(states, 0, size, "mean", hidden, generator, outputs=_VALUES)
        self.register_buffer("values", torch.linspace(0.0, 1.0, _VALUES), persistent=False)

    def forward(self, states: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        return self.outputs(states, latent).softmax(dim=-1) @ self.values

    def judged(self, pairs: torch.Tensor, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.outputs(pairs, latent)
        return categorical_odds(logits), _PENALTY * negative_entropy(logits)
