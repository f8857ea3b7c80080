"""Rewards that are shaped by what the learner itself found out: one step of ExploRS's reward, and its bonus.

Source: Devidze et al. 2022, Exploration-guided reward shaping for reinforcement learning under sparse rewards
"""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array


def shaping_steps(policy: Array, action: Array, advantage: Array) -> Array:
    """By how much each of B steps raises the rewards of all A actions in its state, float64 [B, A].

    pi(a|s) (G - V(s)) (grad R(s, a) - sum_b pi(b|s) grad R(s, b)), where R is a table: its gradient is one-hot.

    Args:
        policy: float [B, A], the probabilities with which each step was drawn.
        action: int64 [B], what was drawn.
        advantage: float [B], G - V(s): the task's return from there on, less what was expected.
    """
    chosen = np.zeros(policy.shape)
    chosen[np.arange(len(action)), action] = 1.0
    share = policy[np.arange(len(action)), action] * advantage
    steps: Array = share[:, None] * (chosen - policy)
    return steps


def visit_bonus(visits: Array, scale: float, most: float) -> Array:
    """scale / sqrt((scale / most)^2 + visits), [...]: `most` where a state was never visited.

    Args:
        visits: int or float [...], before the step that is paid.
        scale: that of the fall, scale / sqrt(visits) in the end; above 0.
        most: above 0.
    """
    bonus: Array = scale / np.sqrt((scale / most) ** 2 + visits)
    return bonus
