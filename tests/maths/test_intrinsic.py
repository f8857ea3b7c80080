"""Prediction errors and the forward filter, recomputed."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from rewardlab.maths.intrinsic import distance_from_unit, forward_filter, prediction_error


def test_prediction_errors() -> None:
    prediction, target = torch.tensor([[3.0, 4.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert prediction_error(prediction, target, "mse").tolist() == [12.5, 0.0]
    assert prediction_error(prediction, target, "half_square").tolist() == [12.5, 0.0]
    assert prediction_error(prediction, target, "l2").tolist() == [5.0, 0.0]
    assert prediction_error(torch.ones(4), torch.zeros(4), "half_square").item() == 2.0
    with pytest.raises(ValueError, match="kind=cosine"):
        prediction_error(prediction, target, "cosine")


def test_l2_can_be_learned_from_where_it_is_zero() -> None:
    prediction = torch.zeros(2, requires_grad=True)
    prediction_error(prediction, torch.zeros(2), "l2").backward()
    assert prediction.grad is not None and torch.isfinite(prediction.grad).all()


def test_forward_filter_runs_along_time_within_each_environment() -> None:
    rng = np.random.default_rng(0)
    rewards, carry, gamma = rng.random((9, 4)), rng.random(4), 0.9
    expected = np.empty_like(rewards)
    for env in range(4):
        value = carry[env]
        for t in range(9):
            value = gamma * value + rewards[t, env]
            expected[t, env] = value
    found = forward_filter(torch.from_numpy(rewards), torch.from_numpy(carry), gamma)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    # Across environments instead, the second one's first value would hold the first one's reward.
    alone = forward_filter(torch.tensor([[1.0, 0.0]]), torch.zeros(2), gamma)
    assert alone.tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # compiled, and not
def test_distance_from_unit_is_the_square_of_the_difference_of_unit_vectors(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target, weights = (torch.randn(3, 20, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    prediction[0] *= 100.0
    prediction[1] *= 0.01
    target = functional.normalize(target, dim=-1)
    reference = prediction.clone().requires_grad_()
    expected = (functional.normalize(reference, dim=-1) - target).square().sum(dim=-1)
    ours = prediction.to(dtype).requires_grad_()
    found = distance_from_unit(ours, target.to(dtype))
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    gradients = [
        torch.autograd.grad((distance * weights[..., 0]).sum(), given)[0].double()
        for distance, given in ((found, ours), (expected, reference))
    ]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_prediction_of_length_zero_is_at_distance_two(dtype: torch.dtype) -> None:
    prediction = torch.zeros(4, dtype=dtype, requires_grad=True)
    distance = distance_from_unit(prediction, torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=dtype))
    distance.backward()
    assert distance.item() == 2.0
    assert prediction.grad is not None and torch.isfinite(prediction.grad).all()
