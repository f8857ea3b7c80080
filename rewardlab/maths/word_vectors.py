"""Texts as vectors without a model: means of fixed random vectors of their words.

The cosine of two texts then says which share of their words they have in common. The order of words is lost, and words
of one meaning are strangers. They are the same on every machine.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from rewardlab.types import Array

SIZE = 384
_WORD = re.compile(r"\w+")


def text_vectors(texts: Sequence[str]) -> Array:
    """Unit vectors, float32 [B, 384]; zeros for a text without words."""
    rows = np.zeros((len(texts), SIZE), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        words = _WORD.findall(text.lower())
        if words:
            mean = np.mean([_vector(word) for word in words], axis=0)
            row[:] = mean / np.linalg.norm(mean)
    return rows


def cosines(texts: Sequence[str], others: Sequence[str]) -> Array:
    """float32 [B, C]."""
    found: Array = text_vectors(texts) @ text_vectors(others).T
    return found


@cache
def _vector(word: str) -> Array:
    return np.random.default_rng(zlib.crc32(word.encode(errors="replace"))).normal(size=SIZE)
