"""What is asked of whoever writes a reward."""

from __future__ import annotations

from rewardlab.language.model import Message
from rewardlab.parts.written_state import StateLayout

_SYSTEM = """You write reward functions for reinforcement learning, as Python with numpy.
The function sees a batch of B states at once and returns one number for each. It may import numpy and math only, keeps
nothing between calls, and draws no random numbers. Answer with one block of Python."""
_TASK = """The task: {task}

A state has these arrays:
{fields}

Write

    def potential(state):
        return total, {{"part": part}}

total, and every part of it, is an array [B]. Moving from s to s' pays gamma * potential(s') - potential(s), so that a
state with more potential is one nearer to success. Success ends the episode. At most 15 parts."""


def first_messages(task: str, layout: StateLayout) -> list[Message]:
    """What a round begins with.

    Args:
        task: in words.
    """
    return [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": _TASK.format(task=task, fields=layout.described())},
    ]


def continued(begin: list[Message], answer: str, feedback: str) -> list[Message]:
    """The same with the best answer of the last round, and what came of it: four messages, however many rounds."""
    return [*begin, {"role": "assistant", "content": answer}, {"role": "user", "content": feedback}]
