"""64-bit keys and counts through time, against plain dictionaries."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from rewardlab.maths.counting import combine_keys, hash_rows, running_counts

KEYS = st_numpy.arrays(
    np.int64, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=st.integers(-3, 3) | st.just(2**62)
)


@settings(deadline=None)
@given(KEYS)
def test_running_counts_match_a_dictionary(keys: np.ndarray) -> None:
    seen: Counter[int] = Counter()
    expected = np.empty(keys.shape, dtype=np.int64)
    for t, row in enumerate(keys.tolist()):
        seen.update(row)
        expected[t] = [seen[key] for key in row]
    np.testing.assert_array_equal(running_counts(keys), expected)


def test_equal_rows_share_a_key_and_others_do_not() -> None:
    rows = np.random.default_rng(0).integers(11, size=(20_000, 147), dtype=np.uint8)
    rows[1::2] = rows[::2]
    rows[1::4, 60] ^= 1  # the smallest change
    distinct = len(np.unique(rows, axis=0))
    assert len(np.unique(hash_rows(rows))) == distinct > 10_000


def test_keys_depend_on_place_and_are_the_same_everywhere() -> None:
    """The hash in Python's own integers: sum of entry times odd multiplier, scrambled, modulo 2^64."""
    mask = 2**64 - 1

    def scramble(word: int) -> int:
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
        return word ^ (word >> 31)

    row = [3, 0, 10, 7, 7]
    multipliers = [scramble((place + 1) * 0x9E3779B97F4A7C15 & mask) | 1 for place in range(len(row))]
    expected = scramble(sum(x * m for x, m in zip(row, multipliers, strict=True)) & mask)
    for dtype in (np.uint8, np.int64):
        assert int(hash_rows(np.array(row, dtype=dtype))) & mask == expected
    assert hash_rows(np.array([1, 0])) != hash_rows(np.array([0, 1]))


def test_pairs_of_keys_are_ordered_and_distinct() -> None:
    keys = np.arange(200, dtype=np.int64)
    pairs = combine_keys(keys[:, None], keys[None, :])
    assert pairs.shape == (200, 200)
    assert len(np.unique(pairs)) == 200 * 200


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_hash_keeps_leading_dimensions(dtype: type) -> None:
    rows = np.random.default_rng(1).integers(9, size=(4, 3, 10)).astype(dtype)
    assert hash_rows(rows).shape == (4, 3)
    assert hash_rows(rows)[2, 1] == hash_rows(rows[2, 1])
