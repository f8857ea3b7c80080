"""Intrinsic rewards: prediction errors, and their discounted sum so far."""

from typing import Any

import torch

from rewardlab.maths import compiled
from rewardlab.maths.compiled import compiles
from rewardlab.types import Array


def prediction_error(prediction: torch.Tensor, target: torch.Tensor, kind: str) -> torch.Tensor:
    """How far a prediction is from its target, [..., D] -> [...].

    Args:
        kind: ``mse`` is the mean of squared differences (Burda et al. 2018), ``half_square`` half of their sum
            (Pathak et al. 2017, eq. 6 with eta = 1), ``l2`` the Euclidean distance (Raileanu and Rocktaeschel 2020).
    """
    difference = prediction - target
    if kind == "mse":
        return difference.square().mean(dim=-1)
    if kind == "half_square":
        return 0.5 * difference.square().sum(dim=-1)
    if kind == "l2":
        distance: torch.Tensor = torch.linalg.vector_norm(difference, dim=-1)  # its gradient is 0 at 0
        return distance
    raise ValueError(f"kind={kind}: mse, half_square or l2")


def distance_from_unit(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared distance of a prediction, brought to unit length, from a target that has it: [..., D] -> [...].

    It is 2 - 2 cos (Guo et al. 2022, BYOL-Explore, eq. 1). The target is not differentiated.
    """
    if compiles(prediction):
        distance: torch.Tensor = _DistanceFromUnit.apply(prediction, target)  # type: ignore[no-untyped-call]
        return distance
    length = prediction.square().sum(dim=-1).add(1e-24).sqrt()
    return 2.0 - 2.0 * (prediction * target.detach()).sum(dim=-1) / length


class _DistanceFromUnit(torch.autograd.Function):
    """In one pass over the rows, where torch's broadcast products take a dozen."""

    @staticmethod
    def forward(context: Any, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        prediction, target = prediction.contiguous(), target.contiguous()
        distance, length, cosine = (prediction.new_empty(prediction.shape[:-1]) for _ in range(3))
        found = (entry.view(-1).numpy() for entry in (distance, length, cosine))
        compiled.distance_from_unit(*_rows(prediction, target), *found)
        context.save_for_backward(prediction, target, length, cosine)
        return distance

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        prediction, target, length, cosine = context.saved_tensors
        gradient = torch.empty_like(prediction)
        pull, *given = (entry.reshape(-1).numpy() for entry in (gradients[0], length, cosine))
        rows, aims, out = _rows(prediction, target, gradient)
        compiled.distance_from_unit_back(pull, rows, aims, *given, out)
        return gradient, None


def _rows(*tensors: torch.Tensor) -> tuple[Array, ...]:
    """Tensors [..., D] as arrays [B, D]."""
    return tuple(tensor.view(-1, tensor.shape[-1]).numpy() for tensor in tensors)


def forward_filter(rewards: torch.Tensor, carry: torch.Tensor, gamma: float) -> torch.Tensor:
    """The discounted sum of the rewards so far, f[t] = gamma * f[t - 1] + r[t], along time within each environment.

    It runs forwards, so that it is known at each step; its spread stands in for that of the return
    (Burda et al. 2018, section 2.4).

    Args:
        rewards: [T, N].
        carry: [N], f of the step before the first.

    Returns:
        [T, N] in the dtype of `carry`.
    """
    filtered = rewards.to(carry.dtype)
    sums = []
    for reward in filtered:
        carry = gamma * carry + reward
        sums.append(carry)
    return torch.stack(sums)
