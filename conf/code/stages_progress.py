# writer: hand
"""Grids with keys and doors: how far the way to the goal is walked, by stage, and steps to what comes next."""

import numpy as np

RISING = {"stage": True, "distance": False}


def steps_to(state, kinds):
    here = np.isin(state.object_kind, kinds)
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return np.where(here, steps, WIDTH + HEIGHT).min(axis=1)


def progress(state):
    locked = ((state.object_kind == DOOR) & (state.object_state == 2)).any(axis=1)
    has_key = state.carrying_kind == KEY
    stage = np.where(locked, np.where(has_key, 1, 0), 2)
    door, key, last = steps_to(state, [DOOR]), steps_to(state, [KEY]), steps_to(state, [GOAL, BALL])
    return {"stage": stage, "distance": np.where(locked, np.where(has_key, door, key), last)}
