"""A learned reward by several criteria, and which of them a situation calls for.

Source: Pitis et al. 2024, Improving context-aware preference modeling for language models (arXiv:2407.14916).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rewardlab.parts.models.reward_model import RewardModel


class ContextRewards(RewardModel):
    """Inputs [B, D], or of each member its own [E, B, D] -> the rewards of all members [E, B].

    A network says of a step r_z, its reward by each of K criteria, and the logits of p(z), how likely each is what
    counts there. The reward is sum_z p(z) r_z.

    Args:
        contexts: K. The rest as in `RewardModel`.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        members: int,
        output: str,
        generator: torch.Generator,
        contexts: int,
    ) -> None:
        super().__init__(inputs, hidden, members, output, generator, outputs=2 * contexts)

    def forward(self, inputs: torch.Tensor, counts: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        rewards, logits = self.by_context(inputs, counts)
        return (rewards * logits.softmax(dim=-1)).sum(dim=-1)

    def by_context(
        self, inputs: torch.Tensor, counts: Sequence[torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """r_z and the logits of p(z), [E, B, K] each."""
        rewards, logits = self.ensemble(inputs, counts).chunk(2, dim=-1)
        return self.bounded(rewards), logits
