"""MiniGrid's missions as tokens: one fixed vocabulary for every task, so that policies could be moved between them.

Token 0 is padding; word k of the vocabulary is token k + 1.
"""

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from rewardlab.types import Array

if TYPE_CHECKING:
    from minigrid.core.mission import MissionSpace

# Every word of MiniGrid's missions that vary. New words go to the end: tokens keep their meaning.
# fmt: off
VOCABULARY = (
    "a", "and", "ball", "blue", "box", "door", "fetch", "from", "get", "go", "goal", "green", "grey", "key", "must",
    "near", "pick", "purple", "put", "red", "room", "the", "to", "unlock", "up", "yellow", "you",
)
# fmt: on
_TOKENS = {word: index + 1 for index, word in enumerate(VOCABULARY)}


def all_missions(space: "MissionSpace") -> list[str]:
    """Every mission of a task; a task whose mission never varies has one."""
    placeholders = space.ordered_placeholders or []
    return [space.mission_func(*words) for words in itertools.product(*placeholders)]


def words(mission: str) -> list[str]:
    return mission.replace(",", "").split()


def longest(missions: Iterable[str]) -> int:
    """The number of words of the longest mission."""
    return max(len(words(mission)) for mission in missions)


def tokens(mission: str, length: int) -> Array:
    """int64 [length]: a mission's words as tokens, padded with 0.

    Raises:
        KeyError: a word outside the vocabulary.
    """
    found = [_TOKENS[word] for word in words(mission)]
    return np.array(found + [0] * (length - len(found)), np.int64)
