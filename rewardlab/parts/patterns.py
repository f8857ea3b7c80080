"""Counts patterns of a step where a learned reward is low.

Source: Lv et al. 2025, The climb carves wisdom deeper than the summit: on the noisy rewards in learning to reason
(arXiv:2505.22653): the phrases of good reasoning in an answer are counted, and that is added where the score of a noisy
reward model is low. Here a pattern is an expression that is not 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rewardlab.parts.step_terms import StepTerms
from rewardlab.types import EnvSpec, TensorObs


class Patterns:
    """Args:
        key: the option that they stand in, for messages.
        weight: what each counts. below: rewards less than that are low.

    Attributes:
        reads_ends: whether one of them reads `terminated`.

    Raises:
        UserError: one of them can't be computed there.
    """

    def __init__(self, key: str, texts: Sequence[str], weight: float, below: float, spec: EnvSpec) -> None:
        self._terms, self._weight, self._below = StepTerms(key, texts, spec), weight, below
        self.reads_ends = self._terms.reads_ends

    def added(
        self,
        rewards: torch.Tensor,
        next_obs: TensorObs,
        facts: TensorObs,
        action: torch.Tensor,
        terminated: torch.Tensor | None,
    ) -> torch.Tensor:
        """Rewards [...] of steps, with what is counted; the rest as for `StepTerms`."""
        if not len(self._terms):
            return rewards
        count = (self._terms(next_obs, facts, action, terminated) != 0).sum(dim=-1)
        return rewards + self._weight * count * (rewards < self._below)
