"""Visit counts against a brute-force dictionary, lifelong and within episodes."""

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.parts.visit_counts import EpisodeCounts, VisitCounts

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


@settings(deadline=None)
@given(ROLLOUTS, st.integers(1, 4), st.integers(0, 2**31))
def test_episode_counts_match_dictionaries_that_are_cleared(lengths: list[int], num_envs: int, seed: int) -> None:
    rng, counts = np.random.default_rng(seed), EpisodeCounts(num_envs)
    seen: dict[int, Counter[int]] = defaultdict(Counter)
    reached: dict[int, set[int]] = defaultdict(set)
    first = np.ones(num_envs, dtype=bool)
    for steps in lengths:
        keys, done = rng.integers(0, 4, size=(steps, num_envs)), rng.random((steps, num_envs)) < 0.2
        firsts = np.concatenate([first[None], done[:-1]])
        starts = rng.integers(0, 4, size=(steps, num_envs))
        found = counts.add(keys, starts, firsts, done[-1])
        for t in range(steps):
            for env in range(num_envs):
                if firsts[t, env]:
                    seen[env] = Counter({int(starts[t, env]): 1})  # where it begins, it has been
                    reached[env] = set()
                seen[env][int(keys[t, env])] += 1
                reached[env].add(int(keys[t, env]))
                assert found[t, env] == seen[env][int(keys[t, env])]
        first = done[-1]
    live = sum(len(reached[env]) for env in range(num_envs) if not first[env])
    assert len(counts.state_dict()["visits"]["keys"]) == live  # finished episodes are forgotten


def test_state_round_trips() -> None:
    rng = np.random.default_rng(0)
    keys, first, last = rng.integers(0, 9, size=(12, 3)), np.zeros((12, 3), dtype=bool), np.array([True, False, False])
    for make in (VisitCounts, lambda: EpisodeCounts(3)):
        counts, other = make(), make()
        extra = () if isinstance(counts, VisitCounts) else (keys[::-1], first, last)
        counts.add(keys, *extra)
        other.load_state_dict(counts.state_dict())
        np.testing.assert_array_equal(counts.add(keys, *extra), other.add(keys, *extra))
