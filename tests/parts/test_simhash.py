"""Codes of observations: what they tell apart, and that they never change."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.contracts.worlds import Renderer, worlds, write_script
from rewardlab.maths.counting import hash_rows
from rewardlab.parts.simhash import SimHash
from rewardlab.types import ObsSpec, Rollout, TensorObs

SPEC = worlds()["vector"]
SIZE = 4


def rollout_of(vectors: torch.Tensor) -> Rollout:
    """One that reaches these vectors, [T, N, 4], and no others."""
    steps, num_envs = vectors.shape[:2]
    rollout = Renderer(SPEC, seed=1).rollout(write_script(np.random.default_rng(1), SPEC, steps, num_envs))
    rollout.obs, rollout.next_obs, rollout.last_obs = {"vector": vectors}, {"vector": vectors}, {"vector": vectors[-1]}
    return rollout


def play(seed: int = 0) -> torch.Tensor:
    """Random vectors [32, 16, 4], float32."""
    return torch.randn(32, 16, SIZE, generator=torch.Generator().manual_seed(seed))


def hashing(seen: torch.Tensor, bits: int = 32) -> SimHash:
    made = SimHash(SPEC.obs, bits, torch.Generator().manual_seed(3))
    made.warm_up(rollout_of(seen))
    return made


def codes(hashed: SimHash, vectors: torch.Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return hashed.keys({"vector": vectors})


@settings(deadline=None, max_examples=30)
@given(
    powers=st.lists(st.integers(-20, 20), min_size=SIZE, max_size=SIZE),
    seed=st.integers(0, 1000),
)
def test_the_unit_of_a_number_does_not_matter(powers: list[int], seed: int) -> None:
    units = 2.0 ** torch.tensor(powers)  # powers of two: float32 rounds nothing
    seen, later = play(seed), 5 * play(seed + 1)
    np.testing.assert_array_equal(codes(hashing(seen), later), codes(hashing(units * seen), units * later))


def test_a_number_that_never_moved_keeps_its_unit() -> None:
    seen, later = play(), play(1)
    seen[..., 2], later[..., 2] = 0.1, 0.1
    moved = later.clone()
    moved[..., 2] += 1e-7  # a rounding error away
    hashed = hashing(seen)
    np.testing.assert_array_equal(codes(hashed, later), codes(hashed, moved))
    moved[..., 2] += 1.0
    assert (codes(hashed, later) != codes(hashed, moved)).mean() > 0.9


@pytest.mark.parametrize("far", [0.0, 10.0, 1000.0])
def test_states_are_told_apart_as_finely_far_from_random_play(far: float) -> None:
    line = torch.linspace(-2.0, 2.0, 1000)[:, None] * torch.ones(SIZE) + far
    assert 20 < len(np.unique(codes(hashing(play()), line))) < 120


def test_bits_decide_how_many_codes_there_are() -> None:
    found = [len(np.unique(codes(hashing(play(), bits), play(1)))) for bits in (2, 8, 32, 128)]
    assert found == sorted(found) and found[0] <= 4 and found[-1] > 450


def test_near_states_share_a_code_and_far_ones_do_not() -> None:
    hashed, here = hashing(play()), play(1)
    same = [(codes(hashed, here) == codes(hashed, here + step)).mean() for step in (1e-4, 0.02, 2.0)]
    assert same[0] > 0.99 and same[1] > 0.6 and same[2] < 0.05


def test_a_state_keeps_its_code_whatever_stands_beside_it() -> None:
    hashed, seen = hashing(play()), play(1).flatten(0, 1)
    whole = codes(hashed, seen)
    np.testing.assert_array_equal(whole, np.concatenate([codes(hashed, row) for row in seen.split(7)]))


def test_a_checkpoint_holds_the_codes() -> None:
    hashed, other = hashing(play()), SimHash(SPEC.obs, 32, torch.Generator().manual_seed(8))
    assert (codes(other, play(1)) != codes(hashed, play(1))).any()
    other.load_state_dict(hashed.state_dict())
    np.testing.assert_array_equal(codes(other, play(1)), codes(hashed, play(1)))


def test_whole_numbers_keep_the_signs_of_projections_and_need_no_warm_up() -> None:
    image = ObsSpec((7, 7, 3), "uint8", 10)
    hashed = SimHash({"image": image}, 32, torch.Generator().manual_seed(3))
    assert hashed.warmup_steps == 0
    shown = torch.randint(0, 11, (50, 7, 7, 3), dtype=torch.uint8)
    projection = torch.randn(147, 32, generator=torch.Generator().manual_seed(3))
    signs = (shown.flatten(1) / 10.0) @ projection >= 0
    np.testing.assert_array_equal(hashed.keys({"image": shown}), hash_rows(signs.to(torch.uint8).numpy()))


def test_an_observation_of_both_is_one_state_where_both_are_alike() -> None:
    spec = {"image": ObsSpec((2,), "uint8", 10), "vector": SPEC.obs["vector"]}
    hashed = SimHash(spec, 16, torch.Generator().manual_seed(3))
    one: TensorObs = {"image": torch.tensor([[1, 0]], dtype=torch.uint8), "vector": torch.zeros(1, SIZE)}
    turned, moved = one | {"image": one["image"].flip(1)}, one | {"vector": one["vector"] + 3.0}
    assert len({int(hashed.keys(shown)[0]) for shown in (one, turned, moved)}) == 3
