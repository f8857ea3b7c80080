"""Forms and the instructions to fill them in, as arrays: B pages of M fields, and F pairs of a field and a value each.

A page's state has the entries `field`, `value`, `wanted` and `text`. Pairs that there are not have value 0 and come
with any field. Values are told apart by their numbers, from 1; 0 in a field is none.
"""

import numpy as np

from rewardlab.types import Array, Obs

FIELD, VALUE = "field", "value"  # int64 [B, F]: the instruction, as it is shown
WANTED, TEXT = "wanted", "text"  # int64 [B, M]: what the page is to hold, and what it holds


def as_told(field: Array, value: Array, fields: int) -> Array:
    """int64 [B, M]: what pages of M fields are to hold where the instruction is right.

    Args:
        field, value: int64 [B, F]; no field twice, but beside value 0.
    """
    wanted = np.zeros((len(field), fields), dtype=np.int64)
    page, pair = np.nonzero(value)
    wanted[page, field[page, pair]] = value[page, pair]
    return wanted


def matched(wanted: Array, text: Array) -> Array:
    """float32 [B]: the share of the fields that something is wanted in that hold it; 1 where nothing is wanted."""
    asked = (wanted > 0).sum(axis=1)
    right = ((wanted > 0) & (text == wanted)).sum(axis=1)
    share: Array = np.where(asked > 0, right / np.maximum(asked, 1), 1.0).astype(np.float32)
    return share


def prefilled(places: Obs, chosen: Array) -> Obs:
    """The same with some pairs done by one who knows how, bool [B, F]; in arrays of their own."""
    text = places[TEXT].copy()
    page, pair = np.nonzero(chosen & (places[VALUE] > 0))
    text[page, places[FIELD][page, pair]] = places[VALUE][page, pair]
    return places | {TEXT: text}


def cut(places: Obs, kept: Array) -> Obs:
    """The same with some pairs only, bool [B, F], in the instruction and in what is wanted; in arrays of their own."""
    value = np.where(kept, places[VALUE], 0)
    return places | {VALUE: value, WANTED: as_told(places[FIELD], value, places[WANTED].shape[1])}


def read_back(text: Array, pairs: int, rng: np.random.Generator, noise: float = 0.0) -> tuple[Array, Array]:
    """An instruction that brings about pages [B, M] of at most F filled fields each: fields and values, int64 [B, F].

    Its pairs come in a random order.

    Args:
        noise: the chance of each pair to be read with a field drawn at random.
    """
    field, value = np.zeros((2, len(text), pairs), dtype=np.int64)
    for page, row in enumerate(text):
        filled = rng.permutation(np.flatnonzero(row))
        slots = rng.permutation(pairs)[: len(filled)]
        wrong = rng.random(len(filled)) < noise
        field[page, slots] = np.where(wrong, rng.integers(len(row), size=len(filled)), filled)
        value[page, slots] = row[filled]
    return field, value
