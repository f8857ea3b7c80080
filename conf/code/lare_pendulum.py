# terms: [["more_1", 1.0], ["size_1", 1.0], ["less_2", 1.0], ["square_0", 1.0], ["more_0", 1.0], ["size_0", 1.0], ["less_1", 1.0], ["more_2", 1.0], ["square_2", 1.0], ["size_2", 1.0]]
import numpy as np


def of(state):
    more_1 = state.vector[:, 1]
    size_1 = np.abs(state.vector[:, 1])
    less_2 = -state.vector[:, 2]
    square_0 = state.vector[:, 0] ** 2
    more_0 = state.vector[:, 0]
    size_0 = np.abs(state.vector[:, 0])
    less_1 = -state.vector[:, 1]
    more_2 = state.vector[:, 2]
    square_2 = state.vector[:, 2] ** 2
    size_2 = np.abs(state.vector[:, 2])
    return {
        "more_1": more_1,
        "size_1": size_1,
        "less_2": less_2,
        "square_0": square_0,
        "more_0": more_0,
        "size_0": size_0,
        "less_1": less_1,
        "more_2": more_2,
        "square_2": square_2,
        "size_2": size_2,
    }


def factors(before, action, after):
    return {**of(after), "effort": (action.reshape(len(action), -1) ** 2).sum(axis=1)}


# writer: lare, scripted
# search: 0 frames, 6 calls, 0 tokens
