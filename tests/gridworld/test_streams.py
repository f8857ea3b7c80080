"""The kernels' random streams against numpy's own, draw by draw."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.gridworld import streams

SEEDS = st.integers(0, 2**63 - 1) | st.integers(0, 2**32 + 5) | st.integers(0, 20)
DRAWS = st.one_of(
    st.tuples(st.just("below"), st.integers(1, 12) | st.sampled_from([2**31 - 1, 2**31 + 5, 2**32 - 1, 2**32])),
    st.tuples(st.just("between"), st.integers(-9, 9)),
    st.tuples(st.just("float"), st.just(0)),
    st.tuples(st.just("shuffle"), st.integers(1, 12)),
    st.tuples(st.just("choice"), st.integers(1, 9)),
    st.tuples(st.just("uint64"), st.just(0)),
)


def _seeded(seed: int, tag: int = 0) -> np.ndarray:
    stream = np.zeros((1, streams.STREAM_WORDS), dtype=np.uint64)
    streams.seed_stream(stream, 0, np.uint64(seed), np.uint64(tag))
    return stream


def _numpy_words(generator: np.random.Generator) -> list[int]:
    state = generator.bit_generator.state
    number, step, low = state["state"]["state"], state["state"]["inc"], 2**64 - 1
    return [number >> 64, number & low, step >> 64, step & low, state["has_uint32"], state["uinteger"]]


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS)
def test_seeding_equals_numpys(seed: int) -> None:
    assert _seeded(seed)[0].tolist() == _numpy_words(np.random.default_rng(seed))


@settings(max_examples=50, deadline=None)
@given(low=st.integers(0, 2**32 - 1), high=st.integers(0, 2**31 - 1), tag=st.integers(1, 2**32 - 1))
def test_tagged_streams_equal_numpys_of_three_words(low: int, high: int, tag: int) -> None:
    assert _seeded(low | high << 32, tag)[0].tolist() == _numpy_words(np.random.default_rng([low, high, tag]))


@settings(max_examples=200, deadline=None)
@given(seed=SEEDS, draws=st.lists(DRAWS, max_size=60))
def test_any_sequence_of_draws_equals_numpys(seed: int, draws: list[tuple[str, int]]) -> None:
    stream, generator = _seeded(seed), np.random.default_rng(seed)
    for kind, size in draws:
        if kind == "below":
            assert streams.below(stream, 0, size) == generator.integers(0, size)
        elif kind == "between":
            assert streams.between(stream, 0, size, size + 5) == generator.integers(size, size + 5)
        elif kind == "float":
            assert streams.next_float(stream, 0) == generator.random()
        elif kind == "choice":
            assert streams.below(stream, 0, size) == generator.choice(range(size))
        elif kind == "uint64":
            assert int(streams.next_uint64(stream, 0)) == int(generator.bit_generator.random_raw())
        else:
            mine, theirs = np.arange(size + 2, dtype=np.int32)[None].copy(), list(range(1, size + 1))
            streams.shuffle(stream, 0, mine, 1, size)
            generator.shuffle(theirs)
            assert mine[0, 1:-1].tolist() == theirs
        assert stream[0].tolist() == _numpy_words(generator)


def test_draws_are_spread_evenly() -> None:
    stream = _seeded(3)
    counts = np.bincount([streams.below(stream, 0, 6) for _ in range(6_000)], minlength=6)
    assert counts.min() > 850 and counts.max() < 1_150
