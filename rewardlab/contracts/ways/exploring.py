"""Agents that explore first: in made-up worlds they learn as those do that learn from each rollout once."""

from rewardlab.contracts.ways.on_policy import LAWS, assessed, begin, learn

__all__ = ["LAWS", "assessed", "begin", "learn"]
