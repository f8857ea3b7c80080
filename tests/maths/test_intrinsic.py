"""Prediction errors and the forward filter, recomputed."""

import numpy as np
import pytest
import torch

from rewardlab.maths.intrinsic import forward_filter, prediction_error


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
