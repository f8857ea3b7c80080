"""The rules of a task that has none of its own: reach the goal."""

from numba import njit

from rewardlab.gridworld.constants import MAX_STEPS


@njit
def begin(cells, facts, streams, params, i, action):
    return action, 0


@njit
def end(cells, facts, params, i, action, memo, reward, terminated):
    return reward, terminated


@njit
def limit(facts, params, i):
    return params[MAX_STEPS]
