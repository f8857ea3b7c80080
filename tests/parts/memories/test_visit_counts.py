"""Lifelong visit counts against a brute-force dictionary."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.parts.memories.visit_counts import VisitCounts

ROLLOUTS = st.lists(st.integers(1, 8), min_size=1, max_size=4)


@settings(deadline=None)
@given(ROLLOUTS, st.integers(1, 4), st.integers(0, 2**31))
def test_lifelong_counts_match_a_dictionary(lengths: list[int], num_envs: int, seed: int) -> None:
    rng, counts, seen = np.random.default_rng(seed), VisitCounts(), Counter[int]()
    for steps in lengths:
        keys = rng.integers(-5, 5, size=(steps, num_envs))
        found = counts.add(keys)
        for t in range(steps):
            seen.update(keys[t].tolist())
            assert found[t].tolist() == [seen[key] for key in keys[t].tolist()]
    assert len(counts) == len(seen)
    assert counts.keys.tolist() == sorted(seen)


def test_state_round_trips() -> None:
    keys, counts, other = np.random.default_rng(0).integers(0, 9, size=(12, 3)), VisitCounts(), VisitCounts()
    counts.add(keys)
    other.load_state_dict(counts.state_dict())
    np.testing.assert_array_equal(counts.add(keys), other.add(keys))
