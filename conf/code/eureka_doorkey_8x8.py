# terms: [["near_goal", 0.3], ["near_box", 1.0], ["near_ball", 0.1], ["near_key", 0.3], ["has_key", 1.0]]
import numpy as np


def near_where(state, here):
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return 1.0 - np.where(here, steps, WIDTH + HEIGHT).min(axis=1) / (WIDTH + HEIGHT)


def near(state, kinds):
    return near_where(state, np.isin(state.object_kind, kinds))


def locked(state):
    return ((state.object_kind == DOOR) & (state.object_state == 2)).any(axis=1)


def potential(state):
    near_goal = 0.3 * (near(state, [GOAL]))
    near_box = 1.0 * (near(state, [BOX]))
    near_ball = 0.1 * (near(state, [BALL]))
    near_key = 0.3 * (near(state, [KEY]) * (state.carrying_kind != KEY))
    has_key = 1.0 * (1.0 * (state.carrying_kind == KEY))
    return near_goal + near_box + near_ball + near_key + has_key, {
        "near_goal": near_goal,
        "near_box": near_box,
        "near_ball": near_ball,
        "near_key": near_key,
        "has_key": has_key,
    }


# writer: eureka, scripted
# search: 899712 frames, 6 calls, 0 tokens
