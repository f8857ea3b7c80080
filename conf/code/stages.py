# writer: hand
"""Grids with keys and doors: nearer to the key, then through the locked door, then to the goal or the ball."""

import numpy as np


def near(state, kinds):
    """1 beside the nearest of these, 0 far away or where there is none."""
    here = np.isin(state.object_kind, kinds)
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return 1.0 - np.where(here, steps, WIDTH + HEIGHT).min(axis=1) / (WIDTH + HEIGHT)


def potential(state):
    locked = ((state.object_kind == DOOR) & (state.object_state == 2)).any(axis=1)
    has_key = state.carrying_kind == KEY
    stage = np.where(locked, np.where(has_key, 1.0, 0.0), 2.0)
    door, key, last = near(state, [DOOR]), near(state, [KEY]), near(state, [GOAL, BALL])
    closeness = np.where(locked, np.where(has_key, door, key), last)
    return stage + closeness, {"stage": stage, "closeness": closeness}
