"""Compiled losses and gradients against autograd on the plain formulas."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.maths import compiled
from rewardlab.maths.intrinsic import prediction_error
from rewardlab.maths.losses import approximate_kl, clipped_policy_loss, value_loss

CLIPS = st.sampled_from([0.05, 0.2, 1.0])
VALUE_CLIPS = st.sampled_from([None, 0.01, 0.2, 3.0])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 50), st.integers(1, 9), st.integers(1, 4), st.integers(0, 9999), CLIPS, VALUE_CLIPS, st.floats(0, 3)
)
def test_ppo(rows, actions, streams, seed, clip, value_clip, spread):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    whole, chosen = 2 * rows, torch.randperm(2 * rows, generator=generator)[:rows]
    shown = max(1, rows // 2)  # observations, some of which several samples have
    place = torch.randint(shown, (rows,), generator=generator)
    distinct_logits = (spread * normal(shown, actions)).requires_grad_()
    distinct_values = normal(shown, streams).requires_grad_()
    logits, values = distinct_logits[place], distinct_values[place]
    action = torch.randint(actions, (whole,), generator=generator)
    advantage, returns, old_values = normal(whole), normal(whole, streams), normal(whole, streams)
    old = 0.3 * normal(whole)  # ratios within and beyond the clip, for advantages of both signs
    old[chosen] += torch.distributions.Categorical(logits=logits.detach()).log_prob(action[chosen])

    dist = torch.distributions.Categorical(logits=logits)
    log_ratio = dist.log_prob(action[chosen]) - old[chosen]
    terms = [
        clipped_policy_loss(log_ratio.exp(), advantage[chosen], clip),
        value_loss(values, returns[chosen], old_values[chosen], value_clip),
        dist.entropy().mean(),
        approximate_kl(log_ratio),
        ((log_ratio.exp() - 1).abs() > clip).float().mean(),
    ]
    expected = torch.autograd.grad(terms[0] + 0.5 * terms[1] - 0.01 * terms[2], [distinct_logits, distinct_values])

    found = [torch.full_like(distinct_logits, math.nan), torch.full_like(distinct_values, math.nan)]
    given_ = (
        distinct_logits.detach(),
        distinct_values.detach(),
        place,
        chosen,
        action,
        old,
        advantage,
        returns,
        old_values,
    )
    limits = (clip, math.inf if value_clip is None else value_clip, 0.5, 0.01)
    numbers = compiled.ppo_loss(*(t.numpy() for t in given_), *limits, *(t.detach().numpy() for t in found))
    assert numbers == pytest.approx([term.item() for term in terms], rel=1e-4, abs=1e-5)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.detach(), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrong", ["logits", "values", "advantage"])
def test_ppo_does_not_hide_what_is_not_finite(wrong):
    tensors = {"logits": torch.zeros(2, 3), "values": torch.zeros(2, 1), "advantage": torch.ones(2)}
    tensors[wrong].flatten()[0] = math.nan
    index, zeros = torch.arange(2), torch.zeros(2, 1)
    arrays = (
        tensors["logits"],
        tensors["values"],
        index,
        index,
        index,
        torch.full((2,), -1.0),
        tensors["advantage"],
        zeros,
        zeros,
    )
    found = compiled.ppo_loss(
        *(t.numpy() for t in arrays), 0.2, math.inf, 0.5, 0.01, torch.zeros(2, 3).numpy(), zeros.clone().numpy()
    )
    assert not math.isfinite(sum(found[:3]))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 70), st.sampled_from(compiled.ERRORS), st.integers(0, 9999))
def test_distances(rows, size, kind, seed):
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(rows, size, generator=generator).requires_grad_()
    target = torch.randn(rows, size, generator=generator)
    target[0] = prediction[0].detach()  # the Euclidean distance has no slope there
    weights = torch.rand(rows, generator=generator)
    loss = (prediction_error(prediction, target, kind) * weights).mean()
    (expected,) = torch.autograd.grad(loss, prediction)
    gradient = torch.full_like(target, math.nan)
    arrays = (prediction.detach().numpy(), target.numpy(), weights.numpy())
    found = compiled.distance_loss(*arrays, compiled.ERRORS.index(kind), gradient.numpy())
    assert found == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20), st.integers(1, 9), st.floats(0, 30), st.integers(0, 9999))
def test_cross_entropy(rows, actions, spread, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = (spread * torch.randn(rows, actions, generator=generator)).requires_grad_()
    action = torch.randint(actions, (rows,), generator=generator)
    loss = torch.nn.functional.cross_entropy(logits, action)
    (expected,) = torch.autograd.grad(0.3 * loss, logits)
    gradient = torch.full_like(expected, math.nan)
    found = compiled.cross_entropy(logits.detach().numpy(), action.numpy(), 0.3, gradient.numpy())
    assert found == pytest.approx(loss.item(), rel=1e-5, abs=1e-6)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)
