# terms: [["none_locked", 0.01], ["near_ball", 0.01], ["faces_thing", 0.01], ["near_key", 0.01], ["doors_open", 0.03]]
import numpy as np


def near_where(state, here):
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return 1.0 - np.where(here, steps, WIDTH + HEIGHT).min(axis=1) / (WIDTH + HEIGHT)


def near(state, kinds):
    return near_where(state, np.isin(state.object_kind, kinds))


def locked(state):
    return ((state.object_kind == DOOR) & (state.object_state == 2)).any(axis=1)


RISING = {"none_locked": True, "near_ball": True, "faces_thing": True, "near_key": True, "doors_open": True}


def progress(state):
    none_locked = 1.0 * ~locked(state)
    near_ball = near(state, [BALL])
    faces_thing = 1.0 * (state.front_kind >= DOOR)
    near_key = near(state, [KEY]) * (state.carrying_kind != KEY)
    doors_open = ((state.object_kind == DOOR) & (state.object_state == 0)).sum(axis=1) / 4.0
    return {
        "none_locked": none_locked,
        "near_ball": near_ball,
        "faces_thing": faces_thing,
        "near_key": near_key,
        "doors_open": doors_open,
    }


# writer: progress_counts, scripted
# search: 449856 frames, 3 calls, 0 tokens
