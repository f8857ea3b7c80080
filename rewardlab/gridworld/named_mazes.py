"""The held-out mazes by name, as rows of text; `mazes` has them as arrays. Importing this compiles nothing."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from rewardlab.errors import unknown

FILE = Path(__file__).parent / "suites" / "mazes.txt"
HEADINGS = ">v<^"  # in the order of MiniGrid's directions


@lru_cache
def _drawings() -> dict[str, tuple[str, ...]]:
    blocks = FILE.read_text().split("\n\n")[1:]
    return {block.split()[0]: tuple(block.split()[1:]) for block in blocks}


def names() -> tuple[str, ...]:
    """Of the held-out mazes."""
    return tuple(_drawings())


def rows(name: str) -> tuple[str, ...]:
    """The interior of one: `#` a wall, `.` empty, `G` the goal, `>v<^` the agent.

    Raises:
        UserError: there is no such maze.
    """
    if name not in _drawings():
        raise unknown("maze", name, names(), "held-out maze")
    return _drawings()[name]
