"""What is asked of whoever writes a reward, criticises it, or says why episodes failed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rewardlab.language.model import Message
from rewardlab.parts.written_state import StateLayout

_SYSTEM = """You write reward functions for reinforcement learning, as Python with numpy.
The function sees a batch of B states or steps at once and returns one number for each. It may import numpy and math
only, keeps nothing between calls, and draws no random numbers. Answer with one block of Python."""
_TASK = """The task: {task}

A state has these arrays:
{fields}

Write

{wanted}"""
_WANTED = {
    "potential": """    def potential(state):
        return total, {"part": part}

total, and every part of it, is an array [B]. Moving from s to s' pays what the potential rises by, so that a state with
more of it is one nearer to success. Success ends the episode, and is paid by itself. At most 15 parts.""",
    "split": """    def dense(before, action, after):
        return total, {"part": part}

    def sparse(before, action, after):
        return total, {"part": part}

before and after are the states around a step, action the number of its action, [B]. total, and every part of it, is an
array [B]. Only signs count: a step pays sign(sparse) + 0.1 * sign(dense). sparse is above 0 for an event on the way to
success, below 0 for one that must not happen, 0 for all else. dense says whether a step led nearer or farther away. At
most 14 parts in all.""",
    "progress": """    RISING = {"name": True}

    def progress(state):
        return {"name": number}

Each number, an array [B], tells how far one part of the task is done. RISING says of each whether it rises with
progress. Rare values of these are explored, so leave out what tells nothing of progress. At most 15 numbers.""",
    "factors": """    def factors(before, action, after):
        return {"name": number}

before and after are the states around a step, action what was done. Each number, an array [B], is one thing that makes
a step good or bad. A network learns from whole episodes what they are worth. At most 15 numbers.""",
}
_MERGE = """Here are {count} answers to this, each by itself:

{drafts}

Write one that has the best of all of them, and every number once."""
_CRITIC = """You check reward functions. The task: {task}

Its author was asked for this:

{wanted}

and wrote:

```python
{source}```

Does the code do what its names and comments say, and agree with the task? Answer CONSISTENT, or INCONSISTENT: and why,
in one line."""
_ANALYSER = """You find out why an agent fails. The task: {task}

These are the last steps of {count} episodes that failed, after training on a reward:

{failures}

Name the causes, most frequent first, and what a reward should punish or pay therefore. A few lines, no code."""
_ANALYSED = "The last steps of its failed episodes were looked at:"
_VERDICT = re.compile(r"\bINCONSISTENT\b[\s:*.,-]*(.*)")


def first_messages(task: str, layout: StateLayout, kind: str = "potential") -> list[Message]:
    """What a round begins with.

    Args:
        task: in words. kind: of `FUNCTIONS`.
    """
    asked = _TASK.format(task=task, fields=layout.described(), wanted=_WANTED[kind])
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": asked}]


def continued(begin: list[Message], answer: str, feedback: str) -> list[Message]:
    """The same with the best answer of the last round, and what came of it: four messages, however many rounds."""
    return [*begin, {"role": "assistant", "content": answer}, {"role": "user", "content": feedback}]


def merging(begin: Sequence[Message], drafts: Sequence[str]) -> list[Message]:
    """One answer is wanted in the place of several."""
    told = "\n\n".join(f"### Answer {at}\n\n{draft.strip()}" for at, draft in enumerate(drafts, start=1))
    system, user = begin
    asked = f"{user['content']}\n\n{_MERGE.format(count=len(drafts), drafts=told)}"
    return [system, {"role": user["role"], "content": asked}]


def criticising(task: str, kind: str, source: str) -> list[Message]:
    """Whether a source does what it means to do."""
    return [{"role": "user", "content": _CRITIC.format(task=task, wanted=_WANTED[kind], source=source)}]


def objection(answer: str) -> str | None:
    """What a critic's answer objects to; None: nothing, as where it says neither word."""
    found = _VERDICT.search(answer)
    return None if found is None else (" ".join(found[1].split()) or "no reason is given")[:500]


def analysing(task: str, failures: str, count: int) -> list[Message]:
    """Why episodes failed.

    Args:
        failures: their last steps in words. count: of episodes.
    """
    return [{"role": "user", "content": _ANALYSER.format(task=task, failures=failures, count=count)}]


def analysed(feedback: str, causes: str) -> str:
    """Feedback with what the analyser found."""
    return f"{feedback}\n\n{_ANALYSED}\n{causes.strip()}"
