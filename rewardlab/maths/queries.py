"""Which pairs of segments to ask about: where an ensemble disagrees, where it is unsure, or where nobody asked yet."""

from __future__ import annotations

import torch
from torch.nn.functional import softplus

QUERIES = ("uniform", "disagreement", "entropy", "kcenter")


def disagreement(difference: torch.Tensor) -> torch.Tensor:
    """The standard deviation over members of P(first) = sigmoid(D): [E, B] -> [B].

    Source: Lee et al. 2021, PEBBLE (arXiv:2106.05091), section 4.2; after Christiano et al. 2017.
    """
    return torch.sigmoid(difference).std(dim=0, correction=0)


def uncertainty(difference: torch.Tensor) -> torch.Tensor:
    """The mean over members of the entropy of P(first), in nats: [E, B] -> [B]."""
    chance = torch.sigmoid(difference)
    return (chance * softplus(-difference) + (1.0 - chance) * softplus(difference)).mean(dim=0)


def farthest_first(candidates: torch.Tensor, known: torch.Tensor, count: int) -> torch.Tensor:
    """Indices int64 [count] of candidates [B, D], each the farthest from all of `known` [K, D] and those before it.

    Source: Sener and Savarese 2018, Active learning for convolutional neural networks (arXiv:1708.00489), algorithm 1.
    """
    origin = known if len(known) else candidates.mean(dim=0, keepdim=True)
    nearest = torch.cdist(candidates, origin).amin(dim=1)
    chosen = []
    for _ in range(count):
        farthest = int(nearest.argmax())
        chosen.append(farthest)
        nearest = torch.minimum(nearest, (candidates - candidates[farthest]).norm(dim=1))
        nearest[farthest] = -1.0
    return torch.tensor(chosen)
