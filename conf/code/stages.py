# writer: hand
"""Grids with keys and doors: nearer to the key, then through the locked door, then to the goal or the ball."""

import numpy as np


def near(state, wanted):
    """1 beside the nearest of the wanted objects, 0 far away or where there is none."""
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return 1.0 - np.where(wanted, steps, WIDTH + HEIGHT).min(axis=1) / (WIDTH + HEIGHT)


def potential(state):
    kind = state.object_kind
    locked = (kind == DOOR) & (state.object_state == 2)
    shut, has_key = locked.any(axis=1), state.carrying_kind == KEY
    stage = np.where(shut, np.where(has_key, 1.0, 0.0), 2.0)
    door, key, last = near(state, locked), near(state, kind == KEY), near(state, np.isin(kind, [GOAL, BALL]))
    closeness = np.where(shut, np.where(has_key, door, key), last)
    return stage + closeness, {"stage": stage, "closeness": closeness}
