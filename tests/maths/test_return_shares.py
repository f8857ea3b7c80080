"""How returns are handed out: RRD's correction by enumeration, RUDDER's differences by walks through time."""

from itertools import combinations, pairwise, product

import numpy as np
import pytest
import torch

from rewardlab.maths.redistribution import Accounts, between, differences, means_of, share_errors, sums_of


@pytest.mark.parametrize(("length", "count"), [(5, 2), (5, 3), (5, 5), (3, 4), (3, 5), (2, 3), (1, 2)])
def test_over_all_draws_the_corrected_error_is_that_of_all_steps(length, count):
    rewards, share = np.random.default_rng(length).normal(size=length), 0.7
    draws = list(combinations(range(length), count) if count <= length else product(range(length), repeat=count))
    predicted = torch.tensor([[rewards[i] for i in draw] for draw in draws])
    shares, lengths = torch.full((len(draws),), share, dtype=torch.float64), torch.full((len(draws),), length)
    expected = (share - rewards.mean()) ** 2
    assert float(share_errors(predicted, shares, lengths, unbiased=True).mean()) == pytest.approx(expected)
    if 1 < length != count:
        assert float(share_errors(predicted, shares, lengths).mean()) > expected + 1e-3


def test_runs_of_values_have_their_own_sums_and_means():
    values, counts = torch.arange(6.0), torch.tensor([1, 3, 2])
    assert sums_of(values, counts).tolist() == [0.0, 6.0, 9.0]
    assert means_of(values, counts).tolist() == [0.0, 2.0, 4.5]


def test_guidance_lies_between_the_lowest_and_the_highest():
    assert between(torch.tensor([-1.0, 0.0, 3.0]), -1.0, 3.0).tolist() == [0.0, 0.25, 1.0]
    assert between(torch.tensor([2.0]), 2.0, 2.0).tolist() == [0.0]


@pytest.mark.parametrize("cuts", [(0, 60), (0, 1, 7, 30, 60)])
def test_differences_add_up_to_the_return_of_each_episode(cuts):
    rng = np.random.default_rng(4)
    reward, predicted = rng.normal(size=(60, 3)).astype(np.float32), 5.0 * rng.normal(size=(60, 3))
    done = rng.random((60, 3)) < 0.15
    first = np.concatenate([np.ones((1, 3), bool), done[:-1]])
    accounts, paid, ready = Accounts.opened(3), [], []
    for part, (a, b) in enumerate(pairwise(cuts)):
        ready += [part != 1] * (b - a)
        paid.append(differences(predicted[a:b], reward[a:b], first[a:b], done[a:b], accounts, ready=part != 1))
    paid, ended = np.concatenate(paid), 0
    for env in range(3):
        begin = 0
        for end in np.flatnonzero(done[:, env]):
            steps = slice(begin, end + 1)
            assert paid[steps, env].sum() == pytest.approx(reward[steps, env].sum(), abs=1e-4)
            told = np.concatenate([[0.0], predicted[steps, env]])
            expected = np.diff(told)[:-1] if ready[begin] else reward[steps, env][:-1]
            np.testing.assert_allclose(paid[begin:end, env], expected, rtol=1e-5, atol=1e-6)
            begin, ended = end + 1, ended + 1
    assert ended > 10
