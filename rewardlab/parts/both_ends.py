"""A network on one or both ends of every step, each distinct frame seen once."""

from collections.abc import Callable

import torch

from rewardlab.maths.distinct import frames_of, spread
from rewardlab.types import Rollout, TensorObs

Network = Callable[[TensorObs], torch.Tensor]
"""From observations [B, *shape] to [B, *features], one by one (no batch statistics)."""


def at_both_ends(network: Network, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network makes of obs and of next_obs, each [T, N, *features]."""
    frames = frames_of(rollout)
    found = network(frames.rows)
    return spread(found, frames.here[:-1]), spread(found, frames.there)


def at_successors(network: Network, rollout: Rollout) -> torch.Tensor:
    """What a network makes of next_obs, [T, N, *features]."""
    frames = frames_of(rollout)
    return spread(network(frames.rows), frames.there)
