"""How much each of several rewards is to count, found from what verified episodes were worth."""

from __future__ import annotations

import torch

_RIDGE = 0.1  # of coefficients of standardised sums
_MOST = 10.0  # times the weight that was set
_SMALLEST = 1e-6  # deviation below which a sum counts as constant


def refitted(sums: torch.Tensor, outcome: torch.Tensor) -> torch.Tensor | None:
    """Factors [K] for K weighed rewards, in [0, 10]; None where the episodes tell nothing.

    The outcome is regressed on the standardised sums (ridge). Rewards share what all of them together varied by, in
    proportion to their coefficients; one that speaks against the outcome counts nothing. One whose sums never vary
    keeps its weight.

    Args:
        sums: [M, K], what M episodes were paid by each, weighed as it was set. outcome: [M], their verified worth.
    """
    sums, outcome = sums.double(), outcome.double()
    spread, worth = sums.std(dim=0, correction=0), outcome.std(correction=0)
    vary = spread > _SMALLEST
    if not vary.any() or worth <= _SMALLEST:
        return None
    inputs = ((sums - sums.mean(dim=0)) / spread)[:, vary]
    wanted = (outcome - outcome.mean()) / worth
    square = inputs.T @ inputs / len(sums) + _RIDGE * torch.eye(inputs.shape[1], dtype=torch.float64)
    for_it = torch.linalg.solve(square, inputs.T @ wanted / len(sums)).clamp(min=0.0)
    if not (for_it > 0).any():
        return None
    factors = torch.ones(sums.shape[1], dtype=torch.float64)
    factors[vary] = (for_it / for_it.sum() * spread[vary].sum() / spread[vary]).clamp(max=_MOST)
    return factors.float()
