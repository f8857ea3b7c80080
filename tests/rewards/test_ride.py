"""RIDE's bonus and losses, step by step."""

from collections import Counter

import numpy as np
import pytest
import torch
from made_up import STEPS, case, numpy_network, numpy_view, rollouts, steps_of, what_is_seen


@pytest.mark.parametrize("key", ["view", "state"])
def test_bonus_recomputed(key: str) -> None:
    a_case = case("ride", key=key, learning_rate=1e-2)
    scheme, _ = a_case.build()
    made = rollouts(a_case, 20, 9, 20)
    paid, impact = [], []
    for rollout in made:
        layers = scheme.inverse.encoder.layers
        change = numpy_network(layers, numpy_view(rollout.next_obs)) - numpy_network(layers, numpy_view(rollout.obs))
        impact.append(np.sqrt((change**2).sum(axis=-1)))
        paid.append(scheme.compute(rollout).streams["intrinsic"].numpy())
        scheme.update(rollout)
    visits: dict[tuple[int, int], Counter[object]] = {}
    most = 0
    for number, t, env, episode, begins in steps_of(made):
        rollout = made[number]
        ends = [
            int(facts["state_hash"][t, env]) if key == "state" else what_is_seen(obs, t, env)
            for obs, facts in ((rollout.obs, rollout.current_privileged), (rollout.next_obs, rollout.privileged))
            if key == "view" or facts
        ]
        if begins:
            visits[episode] = Counter([ends[0]])
        visits[episode][ends[1]] += 1
        count = visits[episode][ends[1]]
        most = max(most, count)
        assert paid[number][t, env] == pytest.approx(impact[number][t, env] / np.sqrt(count), rel=1e-4, abs=1e-6)
    assert most >= 3


def test_losses_recomputed() -> None:
    a_case = case("ride", learning_rate=1e-12, batch_size=STEPS * 4)  # the update reports losses, and changes nothing
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, STEPS)
    layers = scheme.inverse.encoder.layers
    here, there = (numpy_network(layers, numpy_view(obs)) for obs in (rollout.obs, rollout.next_obs))
    action = np.eye(7)[rollout.action.numpy()]
    guess = numpy_network(scheme.forward.layers, np.concatenate([here, action], axis=-1))
    logits = numpy_network(scheme.inverse.head, np.concatenate([here, there], axis=-1))
    odds = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    scheme.compute(rollout)
    metrics = scheme.update(rollout)
    assert metrics["loss/ride_forward"] == pytest.approx(np.sqrt(((guess - there) ** 2).sum(axis=-1)).mean(), rel=1e-4)
    assert metrics["loss/ride_inverse"] == pytest.approx(-np.log((odds * action).sum(axis=-1)).mean(), rel=1e-4)


@pytest.mark.parametrize(("forward_coef", "inverse_coef"), [(10.0, 0.1), (0.0, 1.0), (1.0, 0.0)])
def test_one_step_follows_the_weighted_losses_through_the_encoder(forward_coef: float, inverse_coef: float) -> None:
    """Adam's first step goes against the sign of the gradient: recomputed from the losses of the paper."""
    a_case = case(
        "ride", forward_coef=forward_coef, inverse_coef=inverse_coef, learning_rate=1e-3, batch_size=STEPS * 4
    )
    scheme, _ = a_case.build()
    (rollout,) = rollouts(a_case, STEPS)
    layers = scheme.inverse.encoder.layers
    views = [torch.from_numpy(numpy_view(obs)).float() for obs in (rollout.obs, rollout.next_obs)]
    here, there = (layers(view) for view in views)
    action = torch.nn.functional.one_hot(rollout.action, 7).float()
    forward_loss = (scheme.forward.layers(torch.cat([here, action], dim=-1)) - there).square().sum(-1).sqrt().mean()
    logits = scheme.inverse.head(torch.cat([here, there], dim=-1))
    inverse_loss = -(logits.log_softmax(dim=-1) * action).sum(dim=-1).mean()
    weight = layers[0].weight
    (gradient,) = torch.autograd.grad(forward_coef * forward_loss + inverse_coef * inverse_loss, weight)
    before = weight.detach().clone()
    scheme.update(rollout)
    clear = gradient.abs() > 1e-4
    assert clear.sum() > 100
    np.testing.assert_allclose((weight.detach() - before)[clear], -1e-3 * gradient.sign()[clear], rtol=0.05)


@pytest.mark.parametrize(("world", "key"), [("mission", "view"), ("vector", "simhash"), ("continuous", "simhash")])
def test_every_kind_of_world_fits(world: str, key: str) -> None:
    a_case = case("ride", world=world, key=key)
    scheme, _ = a_case.build()
    for rollout in rollouts(a_case, STEPS, 3):
        assert scheme.compute(rollout).streams["intrinsic"].shape == (rollout.steps, 4)
        assert all(np.isfinite(value) for value in scheme.update(rollout).values())
