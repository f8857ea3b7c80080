"""Policies as plain tensors: `logits` of a categorical, or `mean` and `log_std` of a diagonal Gaussian.

A distribution is a dict of its parameters, each [..., A]; the functions tell the two by the names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rewardlab.maths.compiled import draw

Parameters = Mapping[str, torch.Tensor]
HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
_NEVER = -1e4  # a logit whose probability is 0 in float32, and whose entropy is no NaN


def allowed(logits: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Logits [..., A] whose actions are never drawn where the mask [..., A] is 0; None: all are allowed."""
    return logits if mask is None else torch.where(mask.bool(), logits, _NEVER)


def sample(dist: Parameters, rng: torch.Generator) -> torch.Tensor:
    """Actions drawn from the distribution: int64 [...] or float32 [..., A]; random numbers from `rng` only."""
    if "logits" in dist:
        logits = dist["logits"]
        uniform = torch.rand(logits.shape[:-1], generator=rng, device=rng.device)
        if logits.is_cpu:
            action = np.empty(uniform.shape, dtype=np.int64)
            draw(logits.numpy().reshape(-1, logits.shape[-1]), uniform.numpy().reshape(-1), action.reshape(-1))
            return torch.from_numpy(action)
        uniform = uniform.to(logits.device)
        below = (logits - logits.amax(dim=-1, keepdim=True)).exp_().cumsum(dim=-1)
        return (below[..., :-1] <= (uniform.unsqueeze(-1) * below[..., -1:])).sum(dim=-1)
    mean = dist["mean"]
    return mean + dist["log_std"].exp() * normal(mean, rng)


def normal(like: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Standard normal numbers of the shape and on the device of a tensor, drawn where `rng` is."""
    return torch.empty(like.shape, device=rng.device).normal_(generator=rng).to(like.device)


def mode(dist: Parameters) -> torch.Tensor:
    """The likeliest action: int64 [...] or float32 [..., A]."""
    return dist["logits"].argmax(dim=-1) if "logits" in dist else dist["mean"]


def log_prob(dist: Parameters, action: torch.Tensor) -> torch.Tensor:
    """Log-probability (or log-density, summed over the A components) of the actions: [...]."""
    if "logits" in dist:
        chosen = dist["logits"].gather(-1, action.unsqueeze(-1)).squeeze(-1)
        return chosen - dist["logits"].logsumexp(dim=-1)
    standardised = (action - dist["mean"]) * torch.exp(-dist["log_std"])
    return -(0.5 * standardised.square() + dist["log_std"] + HALF_LOG_TWO_PI).sum(dim=-1)


def entropy(dist: Parameters) -> torch.Tensor:
    """Entropy in nats: [...]."""
    if "logits" in dist:
        log_probs = dist["logits"].log_softmax(dim=-1)
        return -(log_probs.exp() * log_probs).sum(dim=-1)
    return (dist["log_std"] + HALF_LOG_TWO_PI + 0.5).sum(dim=-1)


def kl_divergence(dist: Parameters, other: Parameters) -> torch.Tensor:
    """KL(dist || other) in nats, exact: [...]."""
    if "logits" in dist:
        log_probs = dist["logits"].log_softmax(dim=-1)
        return (log_probs.exp() * (log_probs - other["logits"].log_softmax(dim=-1))).sum(dim=-1)
    variances = (2.0 * dist["log_std"]).exp() + (dist["mean"] - other["mean"]).square()
    halves = 0.5 * variances * (-2.0 * other["log_std"]).exp()
    return (other["log_std"] - dist["log_std"] + halves - 0.5).sum(dim=-1)


def log_prob_and_entropy(dist: Parameters, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both at once, each [...]: a categorical's gradient is written out, at a third of the cost of autograd's."""
    if "logits" in dist:
        return _CategoricalTerms.apply(dist["logits"], action)  # type: ignore[no-untyped-call, no-any-return]
    return log_prob(dist, action), entropy(dist)


class _CategoricalTerms(torch.autograd.Function):
    """d log p(a) / d logits = onehot(a) - p; d H / d logits = -p (log p + H)."""

    @staticmethod
    def forward(context: Any, logits: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # Over the outermost dimension: six times as fast as over a last one of a few numbers.
        log_probs = logits.movedim(-1, 0).log_softmax(dim=0)
        probs = log_probs.exp()
        entropies = (probs * log_probs).sum(dim=0).neg_()
        index = action.unsqueeze(0)
        context.save_for_backward(log_probs, probs, entropies, index)
        return log_probs.gather(0, index).squeeze(0), entropies

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        log_probs, probs, entropies, index = context.saved_tensors
        of_log_prob, of_entropy = gradients
        factor = (log_probs + entropies).mul_(of_entropy).add_(of_log_prob)
        of_logits = (probs * factor).neg_().scatter_add_(0, index, of_log_prob.unsqueeze(0))
        return of_logits.movedim(0, -1), None
