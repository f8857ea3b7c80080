"""Visit counts within episodes against dictionaries that are cleared."""

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.parts.memories.episode_counts import EpisodeCounts


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(1, 4), st.sampled_from([4, 1000]),
    st.integers(0, 2**31),
)  # fmt: skip
def test_they_match_dictionaries_that_are_cleared(lengths: list[int], num_envs: int, kinds: int, seed: int) -> None:
    rng, counts = np.random.default_rng(seed), EpisodeCounts(num_envs)
    values = rng.integers(-(2**63), 2**63 - 1, size=kinds)
    seen: dict[int, Counter[int]] = defaultdict(Counter)
    first = np.ones(num_envs, dtype=bool)
    for steps in lengths:
        keys, done = rng.choice(values, size=(steps, num_envs)), rng.random((steps, num_envs)) < 0.05
        firsts = np.concatenate([first[None], done[:-1]])
        starts = rng.choice(values, size=(steps, num_envs))
        again = EpisodeCounts(num_envs)
        again.load_state_dict(counts.state_dict())
        found = counts.add(keys, starts, firsts)
        np.testing.assert_array_equal(again.add(keys, starts, firsts), found)
        for t in range(steps):
            for env in range(num_envs):
                if firsts[t, env]:
                    seen[env] = Counter({int(starts[t, env]): 1})  # where it begins, it has been
                seen[env][int(keys[t, env])] += 1
                assert found[t, env] == seen[env][int(keys[t, env])]
        first = done[-1]
    assert len(counts.state_dict()["keys"]) == sum(len(seen[env]) for env in range(num_envs))
