"""The texts that a gymnasium environment shows, whatever their words, as one `mission` of word tokens.

A word's token is its crc32 in `BUCKETS` buckets, so that it is the same in every run, process and task; 0 is padding.
The words of MiniGrid's and BabyAI's missions are all told apart; two rare words of other texts may share a token. Marks
at a word's ends (,.;:!?) are left out. Nothing is cut in silence: where a text has more words than there are places,
the last token stands for all the words from there on together.
"""

import re
import zlib
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Box

from rewardlab.envs.external import trees
from rewardlab.types import Array

Space = spaces.Space[Any]
BUCKETS = 451  # a number with which no two words of MiniGrid and BabyAI meet
MOST_WORDS = 40  # of one text, where its space does not say less
_MARKS = ",.;:!?"


class Texts:
    """Those of a space, wherever they stand in it.

    Attributes:
        box: the space of the tokens of all of them, one after the other, int64 [L]; None where there is no text.
        rest: the space of all else; None where that is nothing.
    """

    def __init__(self, space: Space) -> None:
        self._places = [(path, _places(part)) for path, part in trees.leaves(space) if _is_text(part)]
        self._rest = trees.Rest(space, {path for path, _ in self._places})
        self.rest = self._rest.space
        length = sum(places for _, places in self._places)
        self.box = Box(0, BUCKETS, (length,), np.int64) if length else None

    def of(self, shown: Any) -> Array:
        """The tokens of one observation, int64 [L]."""
        return np.concatenate([tokens(trees.at(shown, path), places) for path, places in self._places])

    def of_many(self, shown: Any) -> Array:
        """The same of K observations that are held together, int64 [K, L]."""
        held = [[tokens(text, places) for text in trees.at(shown, path)] for path, places in self._places]
        return np.concatenate([np.stack(each) for each in held], axis=-1)

    def left_of(self, shown: Any) -> Any:
        """What `rest` is the space of."""
        return self._rest.of(shown)


def tokens(text: str | bytes, places: int) -> Array:
    """int64 [places]: a text's words as tokens, padded with 0."""
    found = words(text.decode(errors="replace") if isinstance(text, bytes) else text)
    if len(found) > places:
        found = [*found[: places - 1], " ".join(found[places - 1 :])]
    codes = [1 + zlib.crc32(word.encode(errors="replace")) % BUCKETS for word in found]
    return np.array(codes + [0] * (places - len(codes)), np.int64)


def has_texts(space: Space) -> bool:
    return any(_is_text(part) for _, part in trees.leaves(space))


def words(text: str) -> list[str]:
    return [word.strip(_MARKS) or word for word in re.findall(r"\S+", text)]


def _is_text(space: Space) -> bool:
    of_strings = space.dtype is not None and np.dtype(space.dtype).kind == "U"
    return isinstance(space, spaces.Text) or of_strings  # MiniGrid's missions have a space of their own


def _places(space: Space) -> int:
    """How many words a text can have, as far as its space says it."""
    longest = (space.max_length + 1) // 2 if isinstance(space, spaces.Text) else MOST_WORDS
    return max(1, min(longest, MOST_WORDS))
