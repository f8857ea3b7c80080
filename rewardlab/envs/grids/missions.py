"""Missions as tokens: one fixed vocabulary for MiniGrid's tasks, and one for BabyAI's, so that policies could be moved.

Token 0 is padding; word k of the vocabulary is token k + 1.
"""

import itertools
from collections.abc import Iterable, Sequence
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
# And every word of BabyAI's, whose missions are made up as they go.
SENTENCES = (
    *VOCABULARY, "after", "behind", "front", "in", "left", "next", "object", "of", "on", "open", "right", "then",
    "your",
)
# fmt: on
_TOKENS = {word: index + 1 for index, word in enumerate(SENTENCES)}


def all_missions(space: "MissionSpace") -> list[str]:
    """Every mission of a task; a task whose mission never varies has one."""
    placeholders = space.ordered_placeholders or []
    return [space.mission_func(*words) for words in itertools.product(*placeholders)]


def words(mission: str) -> list[str]:
    return mission.replace(",", "").split()


def longest(missions: Iterable[str]) -> int:
    """The number of words of the longest mission."""
    return max(len(words(mission)) for mission in missions)


class Tokens(dict[str, Array]):
    """Tokens of every mission of a task, int64 [length] each.

    Args:
        missions: where they can be listed; those that are made up as they go are added when they are met.
        length: of the longest mission, in words; 0: the task has one mission, which is not shown.
        vocabulary: the words that there may be.

    Raises:
        KeyError: a word outside the vocabulary.
    """

    def __init__(self, missions: Iterable[str], length: int, vocabulary: Sequence[str] = VOCABULARY) -> None:
        super().__init__()
        self.length, self.vocabulary = length, vocabulary
        for mission in missions:
            self[mission] = self.__missing__(mission)

    def __missing__(self, mission: str) -> Array:
        found = tokens(mission, self.length)
        if found.max() > len(self.vocabulary):
            raise KeyError(next(word for word in words(mission) if word not in self.vocabulary))
        self[mission] = found
        return found


def tokens(mission: str, length: int) -> Array:
    """int64 [length]: a mission's words as tokens, padded with 0.

    Raises:
        KeyError: a word outside the vocabulary.
    """
    found = [_TOKENS[word] for word in words(mission)]
    return np.array(found + [0] * (length - len(found)), np.int64)
