"""What came of training on a reward, in words for its writer.

After Eureka's reward reflection (Ma et al. 2023, arXiv:2310.12931; its repository): every part of the reward, and the
score, at about ten points of training, with the largest, mean and least. Then hints what to do about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

POINTS = 10
HINTS = """Weigh the parts one by one before you write.
- If success stays near 0, write something else altogether.
- If a part hardly changes, the agent cannot improve it as it is written: change its scale, rewrite it, or leave it out.
- If a part is much larger than the others, make it as large as they are."""


def reflection(success: Sequence[float], parts: Mapping[str, Sequence[float]]) -> str:
    """Text for the next round.

    Args:
        success: of the evaluations, in their order. parts: means over rollouts, in their order.
    """
    lines = ["A policy was trained on this reward.", _line("success", success)]
    lines += [_line(name, values) for name, values in parts.items() if len(values)]
    return "\n".join([*lines, "", HINTS])


def failure(problems: Sequence[str]) -> str:
    """Text for the next round where code was refused or failed."""
    return "\n".join(["The code could not be used:", *(f"- {problem}" for problem in problems), "", "Write it anew."])


def _line(name: str, values: Sequence[float]) -> str:
    every = max(len(values) // POINTS, 1)
    shown = ", ".join(f"{value:.2f}" for value in values[::every])
    array = np.asarray(values, np.float64)
    return f"{name}: [{shown}], max: {array.max():.2f}, mean: {array.mean():.2f}, min: {array.min():.2f}"
