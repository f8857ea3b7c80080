"""Two problems in one another: how what is best inside changes with what is given from outside.

Source: Gupta et al. 2023, Behavior alignment via reward function optimization (BARFI); Lorraine et al. 2020, Optimizing
millions of hyperparameters by implicit differentiation (arXiv:1911.02590), algorithm 3, the series for the inverse
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def implicit_gradient(
    inner: torch.Tensor,
    outer: torch.Tensor,
    inside: Sequence[torch.Tensor],
    outside: Sequence[torch.Tensor],
    *,
    rate: float,
    terms: int,
) -> torch.Tensor:
    """d outer / d outside at the maximum of `inner` over `inside`, which moves with `outside`: one vector.

    It is -(d outer / d inside) H^-1 A, H the Hessian of `inner` over `inside`, A its mixed derivatives; the inverse is
    -H^-1 = rate sum_k (I + rate H)^k. The series converges where H is negative (a penalty on `inside` makes it so) and
    `rate` below 2 / |H|.

    Args:
        inner: scalar, twice differentiable, a function of `inside` and `outside`.
        outer: scalar, a function of `inside` alone.
        terms: how many of the series, the first (k = 0) not counted.
    """
    slope = _flat(torch.autograd.grad(inner, list(inside), create_graph=True, allow_unused=True), inside)
    term = _flat(torch.autograd.grad(outer, list(inside), retain_graph=True, allow_unused=True), inside)
    total = term.clone()
    for _ in range(terms):
        curved = torch.autograd.grad(slope @ term, list(inside), retain_graph=True, allow_unused=True)
        term = term + rate * _flat(curved, inside)
        total += term
    mixed = torch.autograd.grad(slope @ (rate * total), list(outside), retain_graph=True, allow_unused=True)
    return _flat(mixed, outside)


def _flat(parts: Sequence[torch.Tensor | None], like: Sequence[torch.Tensor]) -> torch.Tensor:
    """In one vector, zeros where a tensor takes no part."""
    pairs = zip(parts, like, strict=True)
    return torch.cat([(torch.zeros_like(shape) if part is None else part).flatten() for part, shape in pairs])
