"""A GRU that says what a piece of an episode returned, learned from cuts of whole episodes.

Source: Lin et al. 2024, Episodic return decomposition by difference of implicitly assigned sub-trajectory reward
(DIASTER, arXiv:2312.10642): the two pieces of an episode that is cut anywhere return together what it returned.
"""

from __future__ import annotations

import torch
from torch import nn

from rewardlab.networks.init import seeded_linear
from rewardlab.networks.memory import Memory


class SubReturns(nn.Module):
    def __init__(self, inputs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.memory = Memory(inputs, hidden, generator)
        self.head = seeded_linear(hidden, 1, generator, 1.0)

    def forward(self, inputs: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """Of the piece up to each step, from where it last began: [T, M, D] and bool [T, M] -> [T, M]."""
        outputs, _ = self.memory(inputs, inputs.new_zeros(inputs.shape[1], self.memory.size), first)
        returns: torch.Tensor = self.head(outputs).squeeze(-1)
        return returns

    def of_cut(self, inputs: torch.Tensor, lengths: torch.Tensor, cuts: torch.Tensor) -> torch.Tensor:
        """The sum over both pieces of M episodes, [M].

        Args:
            inputs: [T, M, D]. lengths: int64 [M].
            cuts: int64 [M], the steps of the first piece; where they are all of them, there is no second one.
        """
        time = torch.arange(len(inputs), device=inputs.device).unsqueeze(-1)
        returns = self(inputs, (time == 0) | (time == cuts))
        whole = returns.gather(0, (lengths - 1).unsqueeze(0))[0]
        begun = returns.gather(0, (cuts - 1).unsqueeze(0))[0]
        return torch.where(cuts < lengths, whole + begun, whole)


def side_by_side(rows: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Episodes one after another, [B, D], as columns: [T, M, D], zeros after the ends, and which are steps: [T, M]."""
    longest = int(lengths.max())
    within = torch.arange(longest, device=rows.device) < lengths.unsqueeze(-1)
    columns = rows.new_zeros(len(lengths), longest, rows.shape[-1])
    columns[within] = rows
    return columns.transpose(0, 1), within.t()
