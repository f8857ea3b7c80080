"""A network on both ends of every step, each frame seen once."""

from collections.abc import Callable

import torch

from rewardlab.types import Rollout, TensorObs


def at_both_ends(network: Callable[[TensorObs], torch.Tensor], rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network makes of obs and of next_obs, each [T, N, ...].

    Within an episode the observation acted on is the one reached before, so that only the first ones of episodes and
    of the rollout are passed through the network beside the successors: half the work.

    Args:
        network: from observations [..., *shape] to [..., *features], one by one (no batch statistics).
    """
    there = network(rollout.next_obs)
    fresh = rollout.first.clone()
    fresh[0] = True
    here = torch.empty_like(there)
    here[1:] = there[:-1]
    here[fresh] = network({name: entry[fresh] for name, entry in rollout.obs.items()})
    return here, there
