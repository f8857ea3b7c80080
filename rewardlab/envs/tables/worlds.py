"""Worlds that are tables, from the literature on regret, random ones, and levels of grids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.errors import UserError
from rewardlab.types import Array, Mdp

_MOST = 1500  # states of a level


@dataclass(frozen=True)
class World:
    """A table, how long its episodes are, and the standard deviation of what is paid, [S, A]."""

    mdp: Mdp
    horizon: int
    noise: Array


def riverswim(n: int = 6, horizon: int = 20) -> World:
    """Swim to the right against the current: Strehl and Littman 2008, with the numbers of Osband's TabulaRL.

    Action 0 goes left for sure and pays .005 in the first of n cells. Action 1 pays 1 in the last one. It goes on with
    .35, stays with .6, and goes back with .05; in the first cell it goes on with .6, in the last it stays with .6.
    """
    mdp, right = _moving_left(n), np.arange(1, n)
    chance = mdp.chance
    chance[right[:-1], 1, right[:-1] + 1], chance[right[:-1], 1, right[:-1]] = 0.35, 0.6
    chance[right[:-1], 1, right[:-1] - 1] = 0.05
    chance[0, 1, 1], chance[0, 1, 0] = 0.6, 0.4
    chance[n - 1, 1, n - 1], chance[n - 1, 1, n - 2] = 0.6, 0.4
    mdp.reward[0, 0], mdp.reward[n - 1, 1] = 0.005, 1.0
    return World(mdp, horizon, np.zeros((n, 2)))


def chain(n: int, horizon: int, noise: float = 1.0) -> World:
    """A chain of n cells, as in TabulaRL: action 1 goes right and fails to the left with 1 / n.

    Going right in the last cell pays N(1, 1), going left in the first N(0, 1): with n steps and without noise the best
    return is (1 - 1 / n)^(n - 1).
    """
    mdp, at = _moving_left(n), np.arange(n)
    mdp.chance[at, 1, np.minimum(at + 1, n - 1)] = 1.0 - 1.0 / n
    mdp.chance[at, 1, np.maximum(at - 1, 0)] = 1.0 / n
    mdp.reward[n - 1, 1] = 1.0
    spread = np.zeros((n, 2))
    spread[0, 0] = spread[n - 1, 1] = noise
    return World(mdp, horizon, spread)


def drawn(n: int, actions: int, horizon: int, seed: int) -> World:
    """Successors Dirichlet(1) of every cell and action; one of n such pairs pays, U(0, 1). It begins in cell 0."""
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.ones(n), size=(n, actions))
    reward = np.zeros((n, actions))
    paying = rng.permutation(n * actions)[: max(1, actions)]
    reward.ravel()[paying] = rng.random(len(paying))
    return World(Mdp(chance, reward, np.eye(n)[0]), horizon, np.zeros((n, actions)))


def level(env_id: str, number: int, horizon: int | None) -> World:
    """A level of a MiniGrid task, by its seed: success pays 1 and ends the episode. `horizon`: None: the task's limit.

    Raises:
        UserError: it has too many states, chance has a part in it, or there is no way to success.
    """
    from rewardlab.gridworld.catalogue import find_task  # numba comes with the engine
    from rewardlab.gridworld.level_table import table_of_level

    table = table_of_level(env_id, number, _MOST)
    if table.shortest is None:
        raise UserError(f"{env_id}: nothing leads to success on level {number}; use another env.draw")
    mdp = table.mdp()
    states, actions = mdp.reward.shape
    dense = Mdp(mdp.chance.toarray().reshape(states, actions, states), mdp.reward, mdp.start)
    return World(dense, horizon or find_task(env_id).max_steps, np.zeros((states, actions)))


def _moving_left(n: int) -> Mdp:
    """n cells of which action 0 leads to the one on the left; action 1 does nothing yet. It begins in the first."""
    chance, at = np.zeros((n, 2, n)), np.arange(n)
    chance[at, 0, np.maximum(at - 1, 0)] = 1.0
    return Mdp(chance, np.zeros((n, 2)), np.eye(n)[0])
