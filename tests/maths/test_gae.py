"""Advantages against the definition: the lambda-weighted mean of n-step returns, summed in plain Python."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.maths.gae import explained_variance, gae

GAMMA = 0.9


@st.composite
def rollouts(draw):
    steps, num_envs = draw(st.integers(1, 7)), draw(st.integers(1, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    flags = st.lists(st.booleans(), min_size=steps * num_envs, max_size=steps * num_envs)
    return {
        "reward": torch.randn(steps, num_envs, generator=generator, dtype=torch.float64),
        "values": torch.randn(steps + 1, num_envs, generator=generator, dtype=torch.float64),
        "final_values": torch.randn(steps, num_envs, generator=generator, dtype=torch.float64),
        "terminated": torch.tensor(draw(flags)).view(steps, num_envs),
        "truncated": torch.tensor(draw(flags)).view(steps, num_envs),
    }


def by_definition(rollout, gae_lambda, episodic, bootstrap):
    """(1 - l) * sum over n < L of l^(n-1) G_n + l^(L-1) G_L - V, with L the steps left before an end."""
    steps, num_envs = rollout["reward"].shape
    out = torch.zeros(steps, num_envs, dtype=torch.float64)
    for env in range(num_envs):
        for start in range(steps):
            returns, total = [], 0.0
            for step in range(start, steps):
                terminated, truncated = bool(rollout["terminated"][step, env]), bool(rollout["truncated"][step, env])
                ends = episodic and (terminated or truncated)
                if not ends:
                    after = float(rollout["values"][step + 1, env])
                elif terminated or not bootstrap:
                    after = 0.0
                else:
                    after = float(rollout["final_values"][step, env])
                total += GAMMA ** (step - start) * float(rollout["reward"][step, env])
                returns.append(total + GAMMA ** (step - start + 1) * after)
                if ends:
                    break
            mixed = sum((1 - gae_lambda) * gae_lambda**n * value for n, value in enumerate(returns[:-1]))
            mixed += gae_lambda ** (len(returns) - 1) * returns[-1]
            out[start, env] = mixed - float(rollout["values"][start, env])
    return out


@given(rollouts(), st.sampled_from([0.0, 0.5, 0.95, 1.0]), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_equals_the_mean_of_n_step_returns(rollout, gae_lambda, episodic, bootstrap):
    found = gae(**rollout, gamma=GAMMA, gae_lambda=gae_lambda, episodic=episodic, bootstrap_truncation=bootstrap)
    torch.testing.assert_close(found, by_definition(rollout, gae_lambda, episodic, bootstrap))


def one_env(**changes):
    rollout = {
        "reward": torch.tensor([[1.0], [2.0]]),
        "values": torch.tensor([[10.0], [20.0], [30.0]]),
        "final_values": torch.tensor([[40.0], [50.0]]),
        "terminated": torch.tensor([[False], [False]]),
        "truncated": torch.tensor([[False], [False]]),
    }
    return rollout | changes


@pytest.mark.parametrize(
    ("changes", "options", "expected"),
    [
        ({}, {}, 1 + 0.5 * 20 - 10 + 0.25 * (2 + 0.5 * 30 - 20)),
        ({"terminated": torch.tensor([[True], [False]])}, {}, 1 - 10),
        ({"truncated": torch.tensor([[True], [False]])}, {}, 1 + 0.5 * 40 - 10),
        ({"truncated": torch.tensor([[True], [False]])}, {"bootstrap_truncation": False}, 1 - 10),
        ({"terminated": torch.tensor([[True], [True]])}, {"episodic": False}, 1.0 - 0.75),
    ],
    ids=["running", "terminated", "truncated", "truncation_as_end", "not_episodic"],
)
def test_by_hand(changes, options, expected):
    found = gae(**one_env(**changes), gamma=0.5, gae_lambda=0.5, **options)
    assert found[0, 0].item() == pytest.approx(expected)


def test_termination_counts_where_both_are_true():
    ended = torch.tensor([[True], [False]])
    assert gae(**one_env(terminated=ended, truncated=ended), gamma=0.5, gae_lambda=0.5)[0, 0].item() == 1 - 10


def test_inputs_are_left_alone():
    rollout = one_env(truncated=torch.tensor([[True], [False]]))
    before = {name: tensor.clone() for name, tensor in rollout.items()}
    gae(**rollout, gamma=0.9, gae_lambda=0.9)
    for name, tensor in before.items():
        assert torch.equal(tensor, rollout[name]), name


def test_explained_variance():
    observed = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert explained_variance(observed, observed) == 1.0
    assert explained_variance(torch.zeros(4), observed) == pytest.approx(0.0)
    assert explained_variance(-observed, observed) == pytest.approx(-3.0)
    assert explained_variance(observed, torch.ones(4)) is None
