"""Observed returns."""

from __future__ import annotations

import torch


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
