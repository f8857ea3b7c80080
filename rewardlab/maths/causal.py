"""By how much what is paid depends on each of several numbers."""

from __future__ import annotations

import math

import torch

_RIDGE = 1e-3  # of the number of steps
_PENALTIES, _STEPS = 30, 300  # that are tried, from the highest on; of descent


def effects(inputs: torch.Tensor, reward: torch.Tensor) -> torch.Tensor | None:
    """The effect of each input on the reward, [D], >= 0; None where all rewards are the same.

    It is the norm of the two coefficients, of the standardised number and of its square, in one ridge regression of the
    standardised reward: a number that counts alike on both sides of its mean, such as a speed whose square costs, has
    no linear one.

    Args:
        inputs: [B, D]. reward: [B].
    """
    task = _regression(inputs, reward)
    if task is None:
        return None
    gram, slope, _ = task
    return _norms(_ridge(gram, slope)).float()


def sparse_effects(inputs: torch.Tensor, reward: torch.Tensor) -> torch.Tensor | None:
    """The same effects by an adaptive lasso of both coefficients together, so that most of what does not count has 0.

    The reward is held to be a sink: nothing that is given comes of it. Its row of a linear causal model is then this
    regression, whatever the causes do to one another.

    Source: Zou 2006, The adaptive lasso and its oracle properties; for groups Wang and Leng 2008, A note on adaptive
    group lasso. The penalty of an input is divided by its effect in the ridge regression; how much penalties count is
    chosen by the Bayesian information criterion.

    Args:
        inputs: [B, D]. reward: [B].
    """
    task = _regression(inputs, reward)
    if task is None:
        return None
    gram, slope, count = task
    first = _norms(_ridge(gram, slope))
    highest = float((first * _norms(slope.view(2, -1))).max())  # from here on all coefficients are 0
    path = torch.logspace(0, -4, _PENALTIES, dtype=torch.float64) * highest
    found = _shrunk(gram, slope, path[:, None] / first.clamp(min=1e-12))
    unexplained = 1.0 - 2.0 * found @ slope + ((found @ gram) * found).sum(dim=1)
    score = count * unexplained.clamp(min=1e-12).log() + math.log(count) * (found != 0).sum(dim=1)
    return _norms(found[score.argmin()].view(2, -1)).float()


def action_weights(effects: torch.Tensor) -> torch.Tensor:
    """How much each action counts in the policy's entropy: A softmax(effects), [A], of mean 1.

    Source: Ji et al. 2024, ACE: off-policy actor-critic with causality-aware entropy regularization (arXiv:2402.14528),
    and Cao et al. 2025 (arXiv:2502.10097). They take signed coefficients, which puts a strong negative cause last.

    Args:
        effects: [A], >= 0.
    """
    return len(effects) * effects.softmax(dim=0)


def _regression(inputs: torch.Tensor, reward: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int] | None:
    """The standardised reward by the standardised numbers and their squares: means of the products of columns [2D, 2D],
    and with the reward [2D], over how many steps; None where all rewards are the same.
    """
    wanted, given = reward.double(), inputs.double()
    spread = wanted.std(unbiased=False)
    if not bool(spread > 0):
        return None
    columns = _standardised(given)
    columns = torch.cat([columns, _standardised(columns.square())], dim=1)
    wanted = (wanted - wanted.mean()) / spread
    return columns.t() @ columns / len(wanted), columns.t() @ wanted / len(wanted), len(wanted)


def _ridge(gram: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """Both coefficients of each input, [2, D]."""
    solved: torch.Tensor = torch.linalg.solve(gram + _RIDGE * torch.eye(len(slope), dtype=gram.dtype), slope)
    return solved.view(2, -1)


def _norms(pairs: torch.Tensor) -> torch.Tensor:
    """Of both coefficients of each input, [2, D]: [D]."""
    norms: torch.Tensor = torch.linalg.vector_norm(pairs, dim=0)
    return norms


def _shrunk(gram: torch.Tensor, slope: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """The coefficients [P, 2D] of the least penalised squared error, by proximal gradient steps with momentum (Beck and
    Teboulle 2009, A fast iterative shrinkage-thresholding algorithm).

    Args:
        penalty: [P, D], of the norm of each pair of coefficients.
    """
    step = 1.0 / float(torch.linalg.eigvalsh(gram)[-1])
    solved = ahead = torch.zeros(len(penalty), len(slope), dtype=gram.dtype)
    momentum = 1.0
    for _ in range(_STEPS):
        moved = (ahead - step * (ahead @ gram - slope)).view(len(penalty), 2, -1)
        kept = (1.0 - step * penalty / moved.norm(dim=1).clamp(min=1e-300)).clamp(min=0.0)
        fresh = (kept[:, None] * moved).flatten(1)
        following = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum**2))
        ahead = fresh + (momentum - 1.0) / following * (fresh - solved)
        solved, momentum = fresh, following
    return solved


def _standardised(columns: torch.Tensor) -> torch.Tensor:
    """To mean 0 and std 1; what never changes becomes 0."""
    std = columns.std(dim=0, unbiased=False)
    return torch.where(std > 1e-8, (columns - columns.mean(dim=0)) / std.clamp(min=1e-8), torch.zeros_like(columns))
