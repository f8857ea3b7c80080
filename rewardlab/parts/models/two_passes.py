"""A reward model that is asked twice with dropout: how far both answers are apart says how unsure it is.

Source: Zhang et al. 2024, Ctrl-U: robust conditional image generation via uncertainty-aware reward modeling
(arXiv:2410.11236): with U = |r1 - r2| a loss counts exp(-U) of itself and U more. There U weighs what a generator
learns from a reward; here it weighs the comparisons that the model learns from, and what it pays.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from rewardlab.parts.models.reward_model import RewardModel


def doubted(passes: torch.Tensor) -> torch.Tensor:
    """Rewards of two passes [2, ...] as one: exp(-U) of their mean."""
    return torch.exp(-(passes[0] - passes[1]).abs()) * passes.mean(dim=0)


def doubted_loss(losses: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
    """exp(-U) of each loss, and U, [...]."""
    return torch.exp(-apart) * losses + apart


class TwoPasses(nn.Module):
    """Dropout that is the same for all steps of a pass: two thinned networks of each member.

    What is paid comes from two that are drawn once, so that a step is worth the same whenever it is asked for. Each
    gradient step draws two of its own.

    Args:
        share: of the units between the layers that are left out.
    """

    def __init__(self, model: RewardModel, hidden: Sequence[int], share: float, generator: torch.Generator) -> None:
        super().__init__()
        self._model, self._widths, self._share, self._generator = [model], tuple(hidden), share, generator
        for index, counts in enumerate(self._drawn()):
            self.register_buffer(f"counts_{index}", counts)

    def paid(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs [B, D] -> what each member makes of them, [E, B]."""
        return doubted(self._passes(inputs, [self.get_buffer(f"counts_{i}") for i in range(len(self._widths))]))

    def drawn(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of each member its own [E, B, D] -> the rewards of two new passes, [2, E, B]."""
        return self._passes(inputs, [counts.to(inputs.device) for counts in self._drawn()])

    def _passes(self, inputs: torch.Tensor, counts: Sequence[torch.Tensor]) -> torch.Tensor:
        (model,) = self._model
        return torch.stack([model(inputs, [each[k] for each in counts]) for k in range(2)])

    def _drawn(self) -> list[torch.Tensor]:
        """For each layer what units count, [2, E, 1, width]."""
        (model,) = self._model
        left, shapes = 1.0 - self._share, [(2, model.members, 1, width) for width in self._widths]
        return [(torch.rand(shape, generator=self._generator) < left).float() / left for shape in shapes]
