"""Moments of data in parts, against numpy over all of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.maths.moments import combine, moments


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.floats(-1e4, 1e4), st.integers(0, 2**31))
def test_parts_make_the_whole(sizes: list[int], offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [offset * index + rng.normal(size=(size, 3)) for index, size in enumerate(sizes)]
    whole = moments(torch.from_numpy(parts[0]))
    for part in parts[1:]:
        whole = combine(whole, moments(torch.from_numpy(part)))
    every = np.concatenate(parts)
    assert whole[0] == len(every)
    np.testing.assert_allclose(whole[1].numpy(), every.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((whole[2] / whole[0]).numpy(), every.var(axis=0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_count_as_often_as_is_said(dtype: torch.dtype) -> None:
    data, times = torch.randn(5, 3, dtype=dtype), torch.tensor([0, 1, 4, 2, 1])
    found, expected = moments(data, times), moments(data.repeat_interleave(times, dim=0))
    assert found[0] == expected[0] == 8.0
    torch.testing.assert_close(found[1:], expected[1:])


def test_two_empty_parts_are_empty() -> None:
    empty = (0.0, torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    assert combine(empty, empty)[0] == 0.0
