"""Observed returns."""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.types import Array


def returns_to_ends(reward: torch.Tensor, gamma: float, done: torch.Tensor | None = None) -> torch.Tensor:
    """What each step is paid from there on, discounted, to the end of its episode or of the rows: differentiable.

    By doubling: after k rounds each entry holds the next 2^k rewards of its episode, so that there are log L rounds.

    Args:
        reward: float [T, ...], in order along the rows; episodes may follow one another.
        done: bool [T, ...], whether an episode ended with the step; None: all rows are of one episode.
    """
    returns, reach = reward.clone(), 1
    going = None if done is None else ~done  # whether none ended within the next `reach` steps
    while reach < len(reward) and (going is None or bool(going.any())):
        following = gamma**reach * returns[reach:]
        if going is not None:
            following = following * going[:-reach]
            going = torch.cat([going[:-reach] & going[reach:], torch.zeros_like(going[-reach:])])
        returns = torch.cat([returns[:-reach] + following, returns[-reach:]])
        reach *= 2
    return returns


def at_the_end(reward: torch.Tensor) -> torch.Tensor:
    """The rewards of an episode, [L], all with its last step: [L]."""
    paid = torch.zeros_like(reward)
    paid[-1] = reward.double().sum()
    return paid


def paid_at_ends(reward: Array, done: Array, owed: Array) -> Array:
    """Rewards summed up within each episode and paid with its last step, terminated or truncated: float32 [T, N].

    Args:
        reward: float32 [T, N]. done: bool [T, N].
        owed: float64 [N], what the running episodes were not paid yet; brought up to date.
    """
    paid = np.zeros(reward.shape, dtype=np.float32)
    for t in range(len(reward)):
        owed += reward[t]
        paid[t] = np.where(done[t], owed, 0.0)
        owed[done[t]] = 0.0
    return paid
