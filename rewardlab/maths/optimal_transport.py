"""Entropic optimal transport between two sequences of equal mass: who is matched with whom, and at what cost.

Paper: Cuturi 2013, Sinkhorn distances: lightspeed computation of optimal transport (arXiv:1306.0895), algorithm 1
"""

from __future__ import annotations

import math

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array

_LOOSE = {"reassoc", "contract", "arcp", "nsz"}
_CHECK_EVERY = 10  # iterations
_WIDEST = 300.0  # costs over epsilon that exp still tells apart, scalings included; beyond it all is done in logarithms


def cosine_costs(rows: torch.Tensor, columns: torch.Tensor) -> Array:
    """1 - cosine of vectors [L, D] and [M, D]: float64 [L, M], in [0, 2]. A vector of zeros costs 1 with any other."""
    units = [points / points.norm(dim=-1, keepdim=True).clamp(min=1e-12) for points in (rows, columns)]
    costs: Array = (1.0 - units[0] @ units[1].T).clamp(0.0, 2.0).double().cpu().numpy()
    return costs


def transport_plan(costs: Array, epsilon: float, iterations: int = 100, tolerance: float = 1e-9) -> Array:
    """The plan P, float64 [L, M], that minimises sum P C - epsilon entropy(P).

    Rows have the mass 1 / L each, exactly: they are scaled last. Columns have 1 / M as far as it has converged.

    Args:
        costs: C, float64 [L, M], finite.
        epsilon: weight of the entropy, above 0.
        iterations: at most so many; each scales columns, then rows.
        tolerance: it stops once the columns' masses are so near to 1 / M, in the Euclidean norm.
    """
    if np.ptp(costs) > _WIDEST * epsilon:
        return _plan_in_logarithms(costs, epsilon, iterations, tolerance)
    kernel = np.exp((costs.min() - costs) / epsilon)
    rows, columns = np.ones(len(kernel)), np.empty(kernel.shape[1])
    scale(kernel, iterations, tolerance, rows, columns)
    plan: Array = rows[:, None] * kernel * columns
    return plan


def match_rewards(costs: Array, plan: Array) -> Array:
    """What each row is paid, float64 [L]: minus the mean cost of what it is matched with, whatever L is.

    Source: Luo et al. 2023, Optimal transport for offline imitation learning (arXiv:2303.13971), eq. 5, times L.
    """
    paid: Array = -len(costs) * (plan * costs).sum(axis=1)
    return paid


def _scale(kernel: Array, iterations: int, tolerance: float, rows: Array, columns: Array) -> None:  # pragma: no cover
    """Sinkhorn's scalings; one pass over the kernel in each iteration.

    Args:
        kernel: [L, M]. rows: [L], the scaling to begin with; it is overwritten. columns: [M], filled.
    """
    length, width = kernel.shape
    sums = np.zeros(width)
    for i in range(length):
        for j in range(width):
            sums[j] += rows[i] * kernel[i, j]
    for iteration in range(iterations):
        for j in range(width):
            columns[j] = 1.0 / (width * sums[j])
            sums[j] = 0.0
        for i in range(length):
            row = kernel[i]
            total = 0.0
            for j in range(width):
                total += row[j] * columns[j]
            factor = 1.0 / (length * total)
            rows[i] = factor
            for j in range(width):
                sums[j] += factor * row[j]
        if iteration % _CHECK_EVERY == 0:
            error = 0.0
            for j in range(width):
                gap = columns[j] * sums[j] - 1.0 / width
                error += gap * gap
            if math.sqrt(error) < tolerance:
                return


def _plan_in_logarithms(costs: Array, epsilon: float, iterations: int, tolerance: float) -> Array:
    """The same where exp(-C / epsilon) would be 0."""
    length, width = costs.shape
    scaled = torch.from_numpy((costs.min() - costs) / epsilon)
    rows = torch.zeros(length, 1, dtype=torch.float64)
    columns = torch.zeros(1, width, dtype=torch.float64)
    for iteration in range(iterations):
        columns = -math.log(width) - (scaled + rows).logsumexp(dim=0, keepdim=True)
        rows = -math.log(length) - (scaled + columns).logsumexp(dim=1, keepdim=True)
        if iteration % _CHECK_EVERY == 0:
            masses = (scaled + rows + columns).exp().sum(dim=0)
            if float((masses - 1.0 / width).norm()) < tolerance:
                break
    plan: Array = (scaled + rows + columns).exp().numpy()
    return plan


scale = kept(_scale, fastmath=_LOOSE, error_model="numpy")
