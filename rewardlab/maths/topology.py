"""Choosing and valuing the nodes of a topological graph, as steps of a semi-Markov decision process.

Source: Hossain et al. 2024, TopoNav: topological navigation for efficient exploration in sparse reward environments
(arXiv:2402.04061v3): the weighted score. Sutton, Precup and Singh 1999, Between MDPs and semi-MDPs: the target.
"""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array


def candidate_scores(visits: Array, directed: Array, novelty: float, directedness: float) -> Array:
    """novelty / sqrt(visits) + directedness * directed, float64 [K].

    Args:
        visits: [K], how often each candidate was come to; less than 1 counts as 1.
        directed: [K], how much each leads to the goal.
    """
    scores: Array = novelty / np.sqrt(np.maximum(visits, 1.0)) + directedness * directed
    return scores


def preferred(scores: Array, safe: Array) -> int:
    """The place of the best score among the safe ones, bool [K], or among all where none is; of equals the first."""
    allowed = safe if safe.any() else np.ones_like(safe)
    return int(np.where(allowed, scores, -np.inf).argmax())


def smdp_target(reward: float, steps: int, gamma: float, value: float) -> float:
    """What a choice is worth that took so many steps: its discounted reward + gamma^steps * value of what follows."""
    return reward + gamma**steps * value
