# terms: [["doors_open", 1.0], ["row", 1.0], ["has_key", 0.03], ["onto_goal", 1.0], ["into_lava", 1.0]]
import numpy as np


def near_where(state, here):
    steps = np.abs(state.object_x - state.agent_x[:, None]) + np.abs(state.object_y - state.agent_y[:, None])
    return 1.0 - np.where(here, steps, WIDTH + HEIGHT).min(axis=1) / (WIDTH + HEIGHT)


def near(state, kinds):
    return near_where(state, np.isin(state.object_kind, kinds))


def locked(state):
    return ((state.object_kind == DOOR) & (state.object_state == 2)).any(axis=1)


def doors_open(state):
    return ((state.object_kind == DOOR) & (state.object_state == 0)).sum(axis=1) / 4.0


def row(state):
    return state.agent_y / HEIGHT


def has_key(state):
    return 1.0 * (state.carrying_kind == KEY)


def dense(before, action, after):
    return (
        1.0 * (doors_open(after) - doors_open(before))
        + 1.0 * (row(after) - row(before))
        + 0.03 * (has_key(after) - has_key(before))
    )


def sparse(before, action, after):
    onto_goal = 1.0 * (1.0 * ((before.front_kind == GOAL) & (action == ACTION_FORWARD)))
    into_lava = 1.0 * (-1.0 * ((before.front_kind == LAVA) & (action == ACTION_FORWARD)))
    return onto_goal + into_lava, {"onto_goal": onto_goal, "into_lava": into_lava}


# writer: auto_mc, scripted
# search: 299904 frames, 9 calls, 0 tokens
