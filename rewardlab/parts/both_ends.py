"""A network on one or both ends of every step, each distinct frame seen once."""

from collections.abc import Callable

import torch

from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.types import Rollout, TensorObs

Network = Callable[[TensorObs], torch.Tensor]
"""From observations [B, *shape] to [B, *features], one by one (no batch statistics)."""


def at_both_ends(network: Network, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network makes of obs and of next_obs, each [T, N, *features]."""
    distinct = distinct_of(rollout)
    found = network(distinct.rows)
    return spread(found, distinct.here[:-1]), spread(found, distinct.there)


def at_successors(network: Network, rollout: Rollout) -> torch.Tensor:
    """What a network makes of next_obs, [T, N, *features]."""
    distinct = distinct_of(rollout)
    return spread(network(distinct.rows), distinct.there)
