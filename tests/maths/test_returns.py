"""Observed returns against a backward loop."""

import numpy as np
import pytest
import torch

from rewardlab.maths.returns import at_the_end, discounted_returns, paid_at_ends, returns_to_ends


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 129, 640])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.99, 1.0])
def test_each_step_has_the_discounted_sum_of_what_follows(length, gamma):
    reward = np.random.default_rng(length).normal(size=length)
    expected, later = np.zeros(length), 0.0
    for step in range(length - 1, -1, -1):
        later = expected[step] = reward[step] + gamma * later
    given = torch.from_numpy(reward)
    np.testing.assert_allclose(discounted_returns(given, gamma).numpy(), expected, atol=1e-9)
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


def test_returns_end_with_their_episodes_and_with_the_rows():
    rng = np.random.default_rng(3)
    reward, done = torch.from_numpy(rng.normal(size=(9, 4))), torch.from_numpy(rng.random((9, 4)) < 0.3)
    found = returns_to_ends(reward, done, 0.9)
    for env in range(4):
        for t in range(9):
            total, at = 0.0, t
            while True:
                total += 0.9 ** (at - t) * float(reward[at, env])
                if at == 8 or done[at, env]:
                    break
                at += 1
            assert float(found[t, env]) == pytest.approx(total)
