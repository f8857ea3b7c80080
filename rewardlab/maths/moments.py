"""Mean and variance of data that comes in parts."""

import torch

from rewardlab.maths import compiled

Moments = tuple[float, torch.Tensor, torch.Tensor]
"""count, mean [...] and sum of squared deviations from it [...], float64."""


def moments(data: torch.Tensor, times: torch.Tensor | None = None) -> Moments:
    """Moments over the first dimension, [B, ...] -> count and two float64 tensors [...].

    Args:
        times: [B], how often each row counts; None: once.
    """
    if data.dim() == 2 and len(data) and compiled.compiles(data):
        mean, squares = torch.empty(2, data.shape[1], dtype=torch.float64)
        counted = torch.ones(len(data), dtype=torch.float64) if times is None else times.double()
        compiled.moments(data.contiguous().numpy(), counted.numpy(), mean.numpy(), squares.numpy())
        return float(counted.sum()), mean, squares
    values = data.double() if times is None else data.double().repeat_interleave(times.long(), dim=0)
    variance, mean = torch.var_mean(values, dim=0, correction=0)
    return float(values.shape[0]), mean, variance * values.shape[0]


def combine(left: Moments, right: Moments) -> Moments:
    """Moments of both parts together (Chan, Golub and LeVeque 1979, eq. 2.1).

    The result equals the moments over all data at once up to float64 rounding, however unequal the parts.
    """
    (count_left, mean_left, squares_left), (count_right, mean_right, squares_right) = left, right
    count = count_left + count_right
    if count == 0.0:
        return left
    delta = mean_right - mean_left
    mean = mean_left + delta * (count_right / count)
    return count, mean, squares_left + squares_right + delta.square() * (count_left * count_right / count)
