"""Tasks of numbered states, solved exactly: values, best policies, where a policy is.

S states, A actions; float64 throughout. Policies are probabilities [S, A]. Discounts are below 1, or every policy ends
its episodes at last, so that every linear system has a solution. What has `horizon` in its arguments is of episodes of
H steps: Q, policies and occupancies are then [H, S, A], the first step first.

Source: Sutton and Barto 2018, Reinforcement learning: an introduction, chapters 3 and 4; Puterman 1994, Markov decision
processes, chapter 4 (backward induction)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from rewardlab.types import Array, Mdp

TIE = 1e-9  # relative: actions that are nearer to the best one are as good
_RESIDUAL = 1e-13  # relative: of a sparse linear system that counts as solved


def action_values(mdp: Mdp, reward: Array, policy: Array, gamma: float) -> Array:
    """Q [S, A] of a policy that is paid `reward` [S, A]."""
    moves = _moves(mdp, policy)
    paid = (policy * reward).sum(axis=1)
    return _backed_up(mdp, reward, gamma * _solved(moves, paid, gamma))


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
    return (1.0 - gamma) * _solved(_moves(mdp, policy).T, mdp.start, gamma)


def best_within(mdp: Mdp, reward: Array, horizon: int) -> Array:
    """Backward induction: Q* [H, S, A] of what is paid in the steps that are left, `reward` [S, A] or [H, S, A]."""
    return _induction(mdp, reward, horizon, lambda values, h: values.max(axis=1))


def shortfalls(values: Array) -> Array:
    """What each action is worth less than the best one, of values [..., A]; 0 where only rounding is between them."""
    gaps: Array = values.max(axis=-1, keepdims=True) - values
    gaps[gaps < TIE * max(1.0, float(np.abs(values).max()))] = 0.0
    return gaps


def values_within(mdp: Mdp, reward: Array, policy: Array, horizon: int) -> Array:
    """Q [H, S, A] of a policy, [S, A] or [H, S, A], that is paid `reward`, likewise."""
    chosen = np.broadcast_to(policy, (horizon, *reward.shape[-2:]))
    return _induction(mdp, reward, horizon, lambda values, h: (chosen[h] * values).sum(axis=1))


def occupancies(mdp: Mdp, policy: Array, horizon: int) -> Array:
    """d [H, S, A]: the probability of being in a state at a step and acting so, of a policy [S, A] or [H, S, A].

    The expected return is the sum of d * reward. A step's probabilities sum to 1 where no episode has ended before.
    """
    found = np.empty((horizon, *policy.shape[-2:]))
    chosen, here = np.broadcast_to(policy, found.shape), mdp.start
    for h in range(horizon):
        found[h] = here[:, None] * chosen[h]
        here = found[h].ravel() @ _rows(mdp)
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


def _induction(mdp: Mdp, reward: Array, horizon: int, worth: Any) -> Array:
    paid = np.broadcast_to(reward, (horizon, *reward.shape[-2:]))
    found = np.empty(paid.shape)
    following = np.zeros(paid.shape[1])
    for h in reversed(range(horizon)):
        found[h] = _backed_up(mdp, paid[h], following)
        following = worth(found[h], h)
    return found


def _rows(mdp: Mdp) -> Any:
    """Chances [S * A, S], of whatever kind they are."""
    return mdp.chance if sparse.issparse(mdp.chance) else mdp.chance.reshape(-1, mdp.chance.shape[-1])


def _backed_up(mdp: Mdp, reward: Array, following: Array) -> Array:
    """What each action [S, A] is worth, where states are worth `following` [S]."""
    found: Array = reward + (_rows(mdp) @ following).reshape(reward.shape)
    return found


def _moves(mdp: Mdp, policy: Array) -> Any:
    """Chances of going on [S, S] under a policy."""
    if not sparse.issparse(mdp.chance):
        return np.einsum("sa,sat->st", policy, mdp.chance)
    states, actions = policy.shape
    choice = sparse.csr_array(
        (policy.ravel(), np.arange(policy.size), np.arange(0, policy.size + 1, actions)), shape=(states, policy.size)
    )
    return choice @ mdp.chance


def _solved(moves: Any, right: Array, gamma: float) -> Array:
    """x of x = right + gamma * moves x. Of a sparse matrix by a Krylov method, or directly where that does not reach
    the precision: elimination fills up what leads everywhere.
    """
    if not sparse.issparse(moves):
        return np.asarray(np.linalg.solve(np.eye(len(right)) - gamma * moves, right))
    system = (sparse.eye_array(len(right)) - gamma * moves).tocsc()
    found, failed = linalg.bicgstab(system, right, rtol=_RESIDUAL, atol=0.0, maxiter=2000)
    return np.asarray(linalg.spsolve(system, right) if failed else found)
