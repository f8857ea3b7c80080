"""Observed returns."""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.types import Array


def discounted_returns(reward: torch.Tensor, gamma: float) -> torch.Tensor:
    """The discounted sum of the rewards from each step on, within one episode: [L] -> [L].

    By doubling: after k rounds each entry holds the next 2^k rewards, so that there are log L rounds.
    """
    returns, reach = reward.clone(), 1
    while reach < len(returns):
        following = gamma**reach * returns[reach:]
        returns[:-reach] += following
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


def returns_of_each(reward: torch.Tensor, counts: torch.Tensor, gamma: float) -> torch.Tensor:
    """What each step is paid from there on to the end of its episode, discounted: [B] -> [B], differentiable.

    By doubling, as `discounted_returns`.

    Args:
        reward: float [B], of whole episodes, one after another. counts: int64 [M], the steps of each.
    """
    longest = int(counts.max())
    ends = counts.cumsum(0)
    left = ends.repeat_interleave(counts) - torch.arange(len(reward), device=reward.device)  # steps to the end, from 1
    place = (longest - left) * len(counts) + torch.arange(len(counts), device=reward.device).repeat_interleave(counts)
    aligned = torch.zeros(longest * len(counts), dtype=reward.dtype, device=reward.device)
    returns, reach = aligned.index_put((place,), reward).view(longest, len(counts)), 1  # all end in the last row
    while reach < longest:
        returns = torch.cat([returns[:-reach] + gamma**reach * returns[reach:], returns[-reach:]])
        reach *= 2
    return returns.flatten().index_select(0, place)


def returns_to_ends(reward: torch.Tensor, done: torch.Tensor, gamma: float) -> torch.Tensor:
    """What each step is paid from there on, to the end of its episode or of the rows: [T, N], differentiable.

    Args:
        reward: float [T, N]. done: bool [T, N], whether an episode ended with the step.
    """
    following, found = torch.zeros_like(reward[0]), []
    going = (~done).to(reward.dtype)
    for step in range(len(reward) - 1, -1, -1):
        following = reward[step] + gamma * going[step] * following
        found.append(following)
    return torch.stack(found[::-1])
