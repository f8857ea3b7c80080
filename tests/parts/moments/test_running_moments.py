"""Running moments against numpy over all data, and through a checkpoint."""

import numpy as np
import torch

from rewardlab.parts.moments.running_moments import RunningMoments


def test_moments_are_those_of_all_data() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(loc=5.0, scale=3.0, size=(size, 4)).astype(np.float32) for size in (1, 50, 7, 300)]
    running = RunningMoments((4,))
    for part in parts:
        running.add(torch.from_numpy(part))
    every = np.concatenate(parts).astype(np.float64)
    np.testing.assert_allclose(running.mean.numpy(), every.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(running.std.numpy(), every.std(axis=0), rtol=1e-6)


def test_before_any_data_normalising_only_clips() -> None:
    assert RunningMoments((2,)).normalise(torch.tensor([[3.0, -9.0]]), clip=5.0).tolist() == [[3.0, -5.0]]


def test_an_entry_that_never_changed_stays_finite_and_clips_what_is_new() -> None:
    running = RunningMoments((1,))
    running.add(torch.full((100, 1), 7.0))
    assert running.normalise(torch.tensor([[7.0], [8.0], [6.0]]), clip=5.0).flatten().tolist() == [0.0, 5.0, -5.0]


def test_only_what_is_applied_to_data_is_on_the_device() -> None:
    """Not every device computes in float64; `meta` stands for any that is not the CPU."""
    running = RunningMoments((3,), device="meta")
    for _ in range(2):  # before any data and after
        assert (running.mean.device.type, running.mean.dtype) == ("meta", torch.float32)
        assert (running.std.device.type, running.std.dtype) == ("meta", torch.float32)
        assert running.normalise(torch.empty(5, 3, device="meta"), clip=5.0).device.type == "meta"
        running.add(torch.rand(10, 3, generator=torch.Generator().manual_seed(0)))
    state = running.state_dict()
    assert state["mean"].device.type == state["squares"].device.type == "cpu"
    assert state["squares"].dtype == torch.float64 and state["squares"].min() > 0


def test_state_round_trips_and_is_a_copy() -> None:
    running, other = RunningMoments((3,)), RunningMoments((3,))
    running.add(torch.rand(10, 3, generator=torch.Generator().manual_seed(0)))
    state = running.state_dict()
    other.load_state_dict(state)
    running.add(torch.ones(5, 3))
    assert other.count == 10.0
    other.add(torch.ones(5, 3))
    assert torch.equal(running.std, other.std) and torch.equal(running.mean, other.mean)
    assert state["count"] == 10.0
