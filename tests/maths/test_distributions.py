"""Policies against torch.distributions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, Normal

from rewardlab.maths import distributions


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def categorical(seed, shape=(5, 3), spread=3.0):
    return {"logits": torch.randn(*shape, generator=seeded(seed)) * spread}


def gaussian(seed, shape=(5, 3)):
    return {
        "mean": torch.randn(*shape, generator=seeded(seed)),
        "log_std": torch.randn(shape[-1], generator=seeded(seed + 1)).expand(shape),
    }


def reference(dist):
    if "logits" in dist:
        return Categorical(logits=dist["logits"])
    return Independent(Normal(dist["mean"], dist["log_std"].exp()), 1)


@given(st.integers(0, 1000), st.sampled_from([categorical, gaussian]), st.sampled_from([(4, 2), (3, 5, 7), (1, 1)]))
@settings(max_examples=60, deadline=None)
def test_log_prob_and_entropy(seed, make, shape):
    dist = make(seed, shape)
    action = distributions.sample(dist, seeded(seed))
    torch.testing.assert_close(distributions.log_prob(dist, action), reference(dist).log_prob(action))
    torch.testing.assert_close(distributions.entropy(dist), reference(dist).entropy())


@given(st.integers(0, 1000), st.sampled_from([categorical, gaussian]), st.sampled_from([(4, 2), (3, 5, 7), (1, 1)]))
@settings(max_examples=40, deadline=None)
def test_both_terms_at_once_have_autograd_s_gradients(seed, make, shape):
    dist = {name: entry.clone().requires_grad_() for name, entry in make(seed, shape).items()}
    action = distributions.sample({name: entry.detach() for name, entry in dist.items()}, seeded(seed))
    weights = torch.randn(2, *shape[:-1], generator=seeded(seed + 2))
    gradients = []
    for terms in (
        distributions.log_prob_and_entropy(dist, action),
        (reference(dist).log_prob(action), reference(dist).entropy()),
    ):
        loss = sum((weight * term.square()).sum() for weight, term in zip(weights, terms, strict=True))
        gradients.append((*terms, *torch.autograd.grad(loss, list(dist.values()))))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_sampled_frequencies_are_the_probabilities():
    logits = torch.tensor([0.0, 1.0, -2.0, 3.0])
    actions = distributions.sample({"logits": logits.expand(100_000, 4)}, seeded(0))
    torch.testing.assert_close(actions.bincount(minlength=4) / 100_000, logits.softmax(-1), atol=0.005, rtol=0)


@pytest.mark.parametrize("shape", [(7, 3), (4, 5, 6), (9, 1), (6,)])
def test_an_action_is_where_its_uniform_number_falls(shape):
    logits = categorical(0, shape)["logits"]
    uniform = torch.rand(shape[:-1], generator=seeded(5)).double()
    passed = (logits.double().softmax(-1).cumsum(-1)[..., :-1] <= uniform.unsqueeze(-1)).sum(-1)
    assert torch.equal(distributions.sample({"logits": logits}, seeded(5)), passed)


def test_sampled_moments_of_a_gaussian():
    mean, log_std = torch.tensor([1.0, -2.0]), torch.tensor([0.0, -1.0])
    dist = {"mean": mean.expand(100_000, 2), "log_std": log_std.expand(100_000, 2)}
    actions = distributions.sample(dist, seeded(0))
    torch.testing.assert_close(actions.mean(0), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(actions.std(0), log_std.exp(), atol=0.02, rtol=0)


def test_an_impossible_action_is_never_drawn():
    dist = {"logits": torch.tensor([0.0, float("-inf")]).expand(1000, 2)}
    assert (distributions.sample(dist, seeded(0)) == 0).all()


def test_mode():
    assert distributions.mode({"logits": torch.tensor([[0.0, 2.0, 1.0]])}).tolist() == [1]
    mean = torch.tensor([[0.5, -3.0]])
    assert torch.equal(distributions.mode({"mean": mean, "log_std": torch.zeros(1, 2)}), mean)


@pytest.mark.parametrize("make", [categorical, gaussian])
def test_only_the_generator_given_is_used(make):
    before = torch.get_rng_state()
    first, second = (distributions.sample(make(0), seeded(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_kl_divergence_is_torchs():
    generator = torch.Generator().manual_seed(4)
    logits, other = torch.randn(2, 5, 3, 7, generator=generator)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=logits), torch.distributions.Categorical(logits=other)
    )
    assert torch.allclose(distributions.kl_divergence({"logits": logits}, {"logits": other}), expected, atol=1e-5)
    mean, other_mean, log_std, other_log_std = torch.randn(4, 5, 2, generator=generator)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(other_mean, other_log_std.exp())
    ).sum(dim=-1)
    found = distributions.kl_divergence(
        {"mean": mean, "log_std": log_std}, {"mean": other_mean, "log_std": other_log_std}
    )
    assert torch.allclose(found, expected, rtol=1e-4)
