# writer: hand
"""A reward that misleads on purpose: it pays for every step beside a door, so that an agent does best to stay there."""

import numpy as np


def compute_reward(before, action, after):
    steps = np.abs(after.object_x - after.agent_x[:, None]) + np.abs(after.object_y - after.agent_y[:, None])
    return ((after.object_kind == DOOR) & (steps == 1)).any(axis=1)
