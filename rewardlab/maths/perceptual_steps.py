"""Steps of a task, found in features of demonstrations: where one ends, what shows it, and how likely a state is in it.

Paper: Sermanet et al. 2017, Unsupervised perceptual rewards for imitation learning (arXiv:1612.06699)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.types import Array

_SPREAD = 5.0  # what a difference of means counts against the deviations
_LEAST_DEVIATION = 1e-2  # of features to scale: a feature that never changes must not decide alone


@dataclass(frozen=True)
class StepModel:
    """Normal distributions of K features inside of a step and outside, [K] each, and which features, int64 [K]."""

    chosen: torch.Tensor
    inside: tuple[torch.Tensor, torch.Tensor]
    outside: tuple[torch.Tensor, torch.Tensor]


def partition(features: Array, steps: int) -> list[int]:
    """Where the pieces of a series begin, and its end: steps + 1 whole numbers from 0 to L.

    Of all ways to cut it into `steps` pieces, the one with the least sum of squared deviations from the pieces' means.

    Args:
        features: [L, D], L at least `steps`.
    """
    length = len(features)
    sums = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features, axis=0, dtype=np.float64)])
    squares = np.concatenate([[0.0], np.cumsum(np.square(features, dtype=np.float64).sum(axis=1))])
    best, origins = np.full(length + 1, np.inf), []
    best[0] = 0.0
    for _ in range(steps):
        costs, origin = np.full(length + 1, np.inf), np.zeros(length + 1, dtype=np.int64)
        for end in range(1, length + 1):
            counts = end - np.arange(end)
            within = squares[end] - squares[:end] - np.square(sums[end] - sums[:end]).sum(axis=1) / counts
            total = best[:end] + within
            origin[end] = total.argmin()
            costs[end] = total[origin[end]]
        best = costs
        origins.append(origin)
    bounds = [length]
    for origin in reversed(origins):
        bounds.append(int(origin[bounds[-1]]))
    return bounds[::-1]


def step_model(inside: torch.Tensor, outside: torch.Tensor, count: int) -> StepModel:
    """The model of a step by the `count` features of highest 5 |m+ - m-| - (s+ + s-), means and deviations of both.

    Args:
        inside: features of states in the step, [A, D]. outside: of all others, [B, D]. Both to scale.
    """
    means = [side.mean(dim=0) for side in (inside, outside)]
    deviations = [side.std(dim=0, correction=0) for side in (inside, outside)]
    score = _SPREAD * (means[0] - means[1]).abs() - (deviations[0] + deviations[1])
    chosen = score.argsort(descending=True, stable=True)[:count]
    (mean_in, mean_out), (std_in, std_out) = (
        [entry[chosen] for entry in means],
        [entry[chosen].clamp(min=_LEAST_DEVIATION) for entry in deviations],
    )
    return StepModel(chosen, (mean_in, std_in), (mean_out, std_out))


def in_step(features: torch.Tensor, model: StepModel) -> torch.Tensor:
    """How likely states with features [B, D] are in the step, [B]: naive Bayes, both classes alike beforehand."""
    own = features[:, model.chosen]
    return (_log_density(own, *model.inside) - _log_density(own, *model.outside)).sigmoid()


def step_reward(likely: Sequence[torch.Tensor]) -> torch.Tensor:
    """The sum of 2^(i - 1) p_i over the steps from the second on, [B], of `in_step` for these, in order."""
    return torch.stack([2.0**i * p for i, p in enumerate(likely, start=1)]).sum(dim=0)


def _log_density(values: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Of independent normal distributions, constants left out: [B, K] -> [B]."""
    return -(0.5 * ((values - mean) / std).square() + std.log()).sum(dim=-1)
