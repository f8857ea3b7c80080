"""Intrinsic rewards: prediction errors, and their discounted sum so far."""

import torch


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

    It is 2 - 2 cos (Guo et al. 2022, BYOL-Explore, eq. 1), at half of the cost of taking the difference.
    """
    length = prediction.square().sum(dim=-1).clamp(min=1e-24).sqrt()
    return 2.0 - 2.0 * (prediction * target).sum(dim=-1) / length


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
