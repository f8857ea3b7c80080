"""By how much what is paid depends on each of several numbers."""

from __future__ import annotations

import torch

_RIDGE = 1e-3  # of the number of steps


def effects(inputs: torch.Tensor, reward: torch.Tensor) -> torch.Tensor | None:
    """The effect of each input on the reward, [D], >= 0; None where all rewards are the same.

    It is the norm of the two coefficients, of the standardised number and of its square, in one ridge regression of the
    standardised reward: a number that counts alike on both sides of its mean, such as a speed whose square costs, has
    no linear one.

    Args:
        inputs: [B, D]. reward: [B].
    """
    wanted, given = reward.double(), inputs.double()
    spread = wanted.std(unbiased=False)
    if not bool(spread > 0):
        return None
    columns = _standardised(given)
    columns = torch.cat([columns, _standardised(columns.square())], dim=1)
    wanted = (wanted - wanted.mean()) / spread
    gram = columns.t() @ columns + _RIDGE * len(wanted) * torch.eye(columns.shape[1], dtype=torch.float64)
    solved: torch.Tensor = torch.linalg.solve(gram, columns.t() @ wanted)
    found: torch.Tensor = torch.linalg.vector_norm(solved.view(2, -1), dim=0)
    return found.float()


def _standardised(columns: torch.Tensor) -> torch.Tensor:
    """To mean 0 and std 1; what never changes becomes 0."""
    std = columns.std(dim=0, unbiased=False)
    return torch.where(std > 1e-8, (columns - columns.mean(dim=0)) / std.clamp(min=1e-8), torch.zeros_like(columns))
