"""Rewards that are designed for a known task: informative early, and with the same best policies.

Source: Devidze et al. 2021, Explicable reward design for reinforcement learning agents (EXPRD); Devidze et al. 2024,
Informativeness of reward functions in reinforcement learning (EXPADARD)

A reward R [S, A] is sought that keeps the best policy pi* apart from every action that is no best one, as the task
does:

    gap(s, a) = Q_R(s, pi*(s)) - Q_R(s, a) >= d_s,  d_s the smallest such gap of the task in s, divided by 1 + 1e-5

with Q_R that of pi*. Of actions as good as pi*'s, it is >= 0. Then every policy that is best for R is best for the
task. R is within -r_max and r_max, and 0 outside some states. Linear programs choose among what is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardlab.maths.tables import best_actions
from rewardlab.types import Array, Mdp

_MARGIN = 1.0 + 1e-5
_NOTHING = 1e-6  # of the criterion: no more states are looked for


class Design:
    """The linear programs for one task.

    Args:
        mdp: of which every state can be reached.
        gamma: below 1.
        r_max: bound of |R|.
        horizons: H: after how many more steps pi* should already look better.
        state_only: whether R is the same for all actions of a state.
        sparsity: weight of the sum of |R|, taken off what is maximised.

    Attributes:
        best: int64 [S], pi*; the first of equally good actions. values: Q* of the task, [S, A].
        wrong: bool [S, A], actions that are no best ones. least: float64 [S], d_s; 0 where no action is wrong.
    """

    def __init__(
        self, mdp: Mdp, gamma: float, r_max: float, horizons: Sequence[int], state_only: bool, sparsity: float
    ) -> None:
        self.mdp, self.r_max, self.state_only, self.sparsity = mdp, r_max, state_only, sparsity
        self.values, good = best_actions(mdp, mdp.reward, gamma)
        self.best, self.wrong = good.argmax(axis=1), ~good
        gaps = self.values.max(axis=1, keepdims=True) - self.values
        least = np.where(self.wrong, gaps, np.inf).min(axis=1)
        self.least = np.where(np.isfinite(least), least, 0.0) / _MARGIN
        states, actions = mdp.reward.shape
        rows = np.arange(states) * actions
        self._picks = rows + self.best  # of R as one vector [S * A], what pi* is paid
        moves = gamma * mdp.chance[np.arange(states), self.best]
        leads = gamma * mdp.chance.reshape(states * actions, states)
        paid = np.eye(states * actions)[self._picks]
        self._gaps = self._gap_matrix(leads, np.linalg.solve(np.eye(states) - moves, paid))
        self._early = [self._gap_matrix(leads, _within(moves, paid, horizon)) for horizon in horizons]
        self._lacking = [self._what_lacks(number) for number in range(len(horizons))]

    def _gap_matrix(self, leads: Array, future: Array) -> Array:
        """[S * A, S * A]: R -> gap(s, a), where `future` [S, S * A] is what pi* is paid from a state on."""
        values = np.eye(len(leads)) + leads @ future
        states, actions = self.wrong.shape
        found: Array = np.repeat(values[self._picks], actions, axis=0).reshape(states * actions, -1) - values
        return found

    def _what_lacks(self, number: int) -> tuple[Array, Array, Array]:
        """gap_H(s, a) of R and what state s lacks of it are together at least d_s: rows for `_solve`."""
        states, actions = self.wrong.shape
        wrong = np.flatnonzero(self.wrong.ravel())
        lacks = np.zeros((len(wrong), len(self._early) * states))
        lacks[np.arange(len(wrong)), number * states + wrong // actions] = 1.0
        return self._early[number][wrong], lacks, self.least[wrong // actions]

    def gaps(self, reward: Array) -> Array:
        """Q_R(s, pi*(s)) - Q_R(s, a), [S, A]."""
        found: Array = (self._gaps @ reward.ravel()).reshape(reward.shape)
        return found

    def criterion(self, reward: Array) -> float:
        """-mean over horizons and states of max(0, max over wrong a of d_s - gap_H(s, a)); 0 is the best.

        gap_H counts what is paid now and in H more steps.
        """
        lacks = [
            np.where(self.wrong, self.least[:, None] - (matrix @ reward.ravel()).reshape(reward.shape), 0.0).max(axis=1)
            for matrix in self._early
        ]
        return -float(np.maximum(lacks, 0.0).mean())

    def informative(self, free: Array) -> Array:
        """R [S, A] of the largest criterion that is 0 outside the states `free`, bool [S].

        Raises:
            ValueError: there is none.
        """
        spare = len(self._early) * len(self.best)
        objective = np.concatenate([np.zeros(self.wrong.size), np.full(spare, -1.0 / spare)])
        return self._solve(free, objective, self._lacking)

    def adapted(self, free: Array, policy: Array, here: Array, best_here: Array) -> Array:
        """R [S, A] that moves a learner's policy most towards the task's best one, 0 outside the states `free`.

        It maximises sum_s,a mu*(s) mu(s, a) pi(a|s) [A*(s, a) - E A*(s, .)] [R(s, a) - E R(s, .)], expectations under
        pi, and mu(s, a) = mu(s) pi(a|s): the gain of one step on a softmax policy's logits that are paid R alone.

        Args:
            policy: pi, [S, A]. here: mu, [S]. best_here: that of the best policy, [S].

        Raises:
            ValueError: there is none.
        """
        gain = self.values - self.values.max(axis=1, keepdims=True)
        weight = (best_here * here)[:, None] * policy**2 * (gain - (policy * gain).sum(axis=1, keepdims=True))
        objective = weight - policy * weight.sum(axis=1, keepdims=True)
        size = float(np.abs(objective).max())
        return self._solve(free, objective.ravel() / size if size else objective.ravel(), [])

    def _solve(self, free: Array, objective: Array, rows: list[tuple[Array, Array, Array]]) -> Array:
        """R of the largest objective [S * A + M], where M are further numbers, none below 0.

        Args:
            rows: what else must hold: left [K, S * A] @ R + right [K, M] @ the others >= bound [K].
        """
        from scipy.optimize import linprog
        from scipy.sparse import csr_array

        states, actions = self.wrong.shape
        size, spare = states * actions, len(objective) - states * actions
        other = np.setdiff1d(np.arange(size), self._picks)
        apart = np.where(self.wrong.ravel()[other], self.least[other // actions], 0.0)
        left, right, bounds = zip(*rows, (self._gaps[other], np.zeros((len(other), spare)), apart), strict=True)
        matrix = np.hstack([self._of_sought(np.vstack(left), free), np.vstack(right)])
        count, lower = matrix.shape[1] - spare, np.concatenate(bounds)
        cost = -np.concatenate([self._of_sought(objective[None, :size], free)[0], objective[size:]])
        limits = [(-self.r_max, self.r_max)] * count + [(0.0, None)] * spare
        if self.sparsity > 0:  # more numbers, no less than |R|
            over = np.zeros((count, count + spare))
            over[:, :count] = np.eye(count)
            matrix = np.block([[matrix, np.zeros((len(matrix), count))], [over, np.eye(count)], [-over, np.eye(count)]])
            lower = np.concatenate([lower, np.zeros(2 * count)])
            cost = np.concatenate([cost, self.sparsity * np.full(count, actions if self.state_only else 1)])
            limits += [(0.0, None)] * count
        found = linprog(cost, A_ub=csr_array(-matrix), b_ub=-lower, bounds=limits, method="highs")
        if found.status != 0:
            raise ValueError("no such reward keeps the best policy apart")
        reward = np.zeros((states, actions))
        reward[free] = found.x[:count].reshape(int(free.sum()), -1)
        return reward

    def _of_sought(self, rows: Array, free: Array) -> Array:
        """Rows over R, [K, S * A], as rows over what is sought of it: one number for each free state, or A."""
        by_state = rows.reshape(len(rows), len(free), -1)[:, free]
        return by_state.sum(axis=2) if self.state_only else by_state.reshape(len(rows), -1)

    def picked(self, count: int) -> Array:
        """The states that may pay, bool [S]: those where the task pays, then one after another what helps most.

        Args:
            count: how many there may be, at least those where the task pays: then the task's own reward is allowed.

        Raises:
            ValueError: there is no such reward.
        """
        free: Array = (self.mdp.reward != 0).any(axis=1)
        known = self.criterion(self.informative(free))
        while free.sum() < min(count, len(free)) and known < -_NOTHING:
            more = [free | (np.arange(len(free)) == state) for state in np.flatnonzero(~free)]
            found = [round(self.criterion(self.informative(each)), 9) for each in more]
            known = max(found)
            free = more[found.index(known)]  # the first of equally good ones
        return free


def _within(moves: Array, paid: Array, steps: int) -> Array:
    """sum over h < steps of moves^h @ paid: what is paid in so many steps, [S, S * A]."""
    total = np.zeros_like(paid)
    for _ in range(steps):
        total = paid + moves @ total
    return total
