# terms: [["has_key", 1.0], ["faces_thing", 0.3], ["near_door", 1.0], ["near_locked_door", 0.01], ["near_goal", 1.0]]
import numpy as np


def near_where(state, here):
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return 1.0 - np.where(here, steps, WIDTH + HEIGHT).min(axis=1) / (WIDTH + HEIGHT)


def near(state, kinds):
    return near_where(state, np.isin(state.object_kind, kinds))


def locked(state):
    return ((state.object_kind == DOOR) & (state.object_state == 2)).any(axis=1)


def potential(state):
    has_key = 1.0 * (1.0 * (state.carrying_kind == KEY))
    faces_thing = 0.3 * (1.0 * (state.front_kind >= DOOR))
    near_door = 1.0 * (near(state, [DOOR]))
    near_locked_door = 0.01 * (near_where(state, (state.object_kind == DOOR) & (state.object_state == 2)))
    near_goal = 1.0 * (near(state, [GOAL]))
    return has_key + faces_thing + near_door + near_locked_door + near_goal, {
        "has_key": has_key,
        "faces_thing": faces_thing,
        "near_door": near_door,
        "near_locked_door": near_locked_door,
        "near_goal": near_goal,
    }


# writer: text2reward, scripted
# search: 299904 frames, 2 calls, 0 tokens
