"""Observed returns against a backward loop."""

import numpy as np
import pytest
import torch

from rewardlab.maths.returns import at_the_end, paid_at_ends, returns_to_ends


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 129, 640])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.99, 1.0])
def test_each_step_has_the_discounted_sum_of_what_follows(length, gamma):
    reward = np.random.default_rng(length).normal(size=length)
    expected, later = np.zeros(length), 0.0
    for step in range(length - 1, -1, -1):
        later = expected[step] = reward[step] + gamma * later
    given = torch.from_numpy(reward)
    np.testing.assert_allclose(returns_to_ends(given, gamma).numpy(), expected, atol=1e-9)
    assert torch.equal(given, torch.from_numpy(reward))


def test_what_is_owed_is_paid_at_the_end_of_each_episode():
    rng = np.random.default_rng(3)
    reward, done = rng.normal(size=(40, 3)).astype(np.float32), rng.random((40, 3)) < 0.2
    expected, total = np.zeros((40, 3)), [0.0, 0.0, 0.0]
    for step in range(40):
        for env in range(3):
            total[env] += float(reward[step, env])
            if done[step, env]:
                expected[step, env], total[env] = total[env], 0.0
    owed = np.zeros(3)
    cut = [paid_at_ends(reward[a:b], done[a:b], owed) for a, b in ((0, 7), (7, 8), (8, 40))]  # an episode goes on
    np.testing.assert_allclose(np.concatenate(cut), expected, rtol=1e-6)
    np.testing.assert_allclose(owed, total)
    assert at_the_end(torch.tensor([1.0, -3.0, 0.5])).tolist() == [0.0, 0.0, -1.5]


@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_returns_of_rows_end_with_episodes_and_with_the_rows(gamma: float) -> None:
    rng = np.random.default_rng(5)
    reward, done = rng.normal(size=(37, 4)), rng.random((37, 4)) < np.array([0.0, 0.1, 0.5, 1.0])
    expected, later = np.zeros((37, 4)), np.zeros(4)
    for step in range(36, -1, -1):
        later = expected[step] = reward[step] + gamma * np.where(done[step], 0.0, later)
    found = returns_to_ends(torch.from_numpy(reward), gamma, torch.from_numpy(done))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_returns_of_episodes_one_after_another_end_with_each():
    counts, done = torch.tensor([5, 1, 8, 3]), torch.zeros(17, dtype=torch.bool)
    done[counts.cumsum(0) - 1] = True
    reward = torch.from_numpy(np.random.default_rng(3).normal(size=17)).requires_grad_()
    found = returns_to_ends(reward, 0.9, done)
    start = 0
    for count in counts.tolist():
        for t in range(start, start + count):
            total = sum(0.9 ** (at - t) * float(reward[at].detach()) for at in range(t, start + count))
            assert float(found[t].detach()) == pytest.approx(total)
        start += count
    (slope,) = torch.autograd.grad(found[6], reward)  # the first step of the third episode
    np.testing.assert_allclose(slope[6:14], 0.9 ** np.arange(8))
    assert float(slope.abs().sum()) == pytest.approx(float(slope[6:14].sum()))
