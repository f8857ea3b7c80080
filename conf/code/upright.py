# writer: hand
"""Pendulum: factors of a step, the parts of its reward among them."""


def factors(before, action, after):
    x, y, speed = (before.vector[:, at] for at in range(3))
    return {"upright": x, "aside": y**2, "speed": speed**2, "effort": action[:, 0] ** 2}
