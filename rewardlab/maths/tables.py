"""Tasks of numbered states, solved exactly: values, best policies, where a policy is.

S states, A actions; float64 throughout. Policies are probabilities [S, A]. Discounts are below 1, so that every linear
system has a solution.

Source: Sutton and Barto 2018, Reinforcement learning: an introduction, chapters 3 and 4
"""

from __future__ import annotations

import numpy as np

from rewardlab.types import Array, Mdp

TIE = 1e-9  # relative: actions that are nearer to the best one are as good


def action_values(mdp: Mdp, reward: Array, policy: Array, gamma: float) -> Array:
    """Q [S, A] of a policy that is paid `reward` [S, A]."""
    moves = np.einsum("sa,sat->st", policy, mdp.chance)
    paid = (policy * reward).sum(axis=1)
    values = np.linalg.solve(np.eye(len(moves)) - gamma * moves, paid)
    found: Array = reward + gamma * mdp.chance @ values
    return found


def best_actions(mdp: Mdp, reward: Array, gamma: float) -> tuple[Array, Array]:
    """Policy iteration: Q* [S, A], and which actions are best in each state, bool [S, A]."""
    states, actions = reward.shape
    chosen = np.zeros(states, dtype=np.int64)
    for _ in range(1000):
        values = action_values(mdp, reward, np.eye(actions)[chosen], gamma)
        held = values[np.arange(states), chosen]
        near = TIE * max(1.0, float(np.abs(values).max()))
        better = values.max(axis=1) > held + near  # an equal action is no reason to change: it would go on for ever
        if not better.any():
            return values, values >= values.max(axis=1, keepdims=True) - near
        chosen = np.where(better, values.argmax(axis=1), chosen)
    raise ArithmeticError("policy iteration does not end")


def occupancy(mdp: Mdp, policy: Array, gamma: float) -> Array:
    """(1 - gamma) sum_t gamma^t P(s_t = s), [S]: where a policy is; it sums to 1 where episodes never end."""
    moves = np.einsum("sa,sat->st", policy, mdp.chance)
    found: Array = (1.0 - gamma) * np.linalg.solve(np.eye(len(moves)) - gamma * moves.T, mdp.start)
    return found


def reachable(mdp: Mdp) -> Array:
    """Which states episodes can come to, bool [S]."""
    leads, seen = mdp.chance.max(axis=1) > 0, mdp.start > 0
    while True:
        more = seen | leads[seen].any(axis=0)
        if (more == seen).all():
            return seen
        seen = more


def restricted(mdp: Mdp, kept: Array) -> Mdp:
    """The task of some of its states alone, bool [S]; from which no other can be reached."""
    return Mdp(mdp.chance[kept][:, :, kept], mdp.reward[kept], mdp.start[kept])
