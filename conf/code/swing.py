# writer: hand
"""MountainCar: the energy of the car, position and speed."""

import numpy as np


def potential(state):
    position, speed = state.vector[:, 0], state.vector[:, 1]
    height, motion = np.sin(3 * position), 0.5 * (speed / 0.04) ** 2
    return height + motion, {"height": height, "motion": motion}
