# writer: hand
"""MountainCar: the car's position."""

RISING = {"position": True}


def progress(state):
    return {"position": state.vector[:, 0]}
