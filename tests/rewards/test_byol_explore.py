"""BYOL-Explore's errors recomputed prediction by prediction, through episode ends and rollout boundaries."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from made_up import STEPS, case, rollouts
from torch import nn
from torch.nn import functional

from rewardlab.networks.flat import encode_flat
from rewardlab.types import Rollout

RAW = {"normalise_reward": False, "clip_below_mean": False}


def cell(gru: nn.GRUCell, inputs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """The equations of a GRU (torch.nn.GRUCell), for one row."""
    reset_in, update_in, new_in = (gru.weight_ih @ inputs + gru.bias_ih).chunk(3)
    reset_state, update_state, new_state = (gru.weight_hh @ state + gru.bias_hh).chunk(3)
    reset, update = torch.sigmoid(reset_in + reset_state), torch.sigmoid(update_in + update_state)
    return (1 - update) * torch.tanh(new_in + reset * new_state) + update * state


@torch.no_grad()
def loops(scheme: object, made: Sequence[Rollout], horizon: int) -> np.ndarray:
    """Every prediction by itself: from each step, k actions on, in the same episode; summed by what it is of."""
    model, size = scheme.model, scheme.config.memory  # type: ignore[attr-defined]
    spec = scheme.context.spec  # type: ignore[attr-defined]
    steps = sum(rollout.steps for rollout in made)
    obs = torch.cat([encode_flat(rollout.obs, spec.obs) for rollout in made])
    reached = torch.cat([encode_flat(rollout.next_obs, spec.obs) for rollout in made])
    action = functional.one_hot(torch.cat([rollout.action for rollout in made]), 7).float()
    first = torch.cat([rollout.first for rollout in made])
    errors = np.zeros((steps, 4))
    for env in range(4):
        beliefs: list[torch.Tensor] = []
        for t in range(steps):
            begins = bool(first[t, env])
            state = torch.zeros(size) if begins else beliefs[-1]
            previous = torch.zeros(7) if begins else action[t - 1, env]
            beliefs.append(cell(model.closed.cell, torch.cat([model.encoder.layers(obs[t, env]), previous]), state))
        for start in range(steps):
            imagined = beliefs[start]
            for ahead in range(horizon):
                at = start + ahead
                if at >= steps or (ahead > 0 and first[at, env]):
                    break
                imagined = cell(model.open, action[at, env], imagined)
                said = scheme.predictor(imagined)  # type: ignore[attr-defined]
                target = scheme.target.average.layers(reached[at, env])  # type: ignore[attr-defined]
                errors[at, env] += float((said / said.norm() - target / target.norm()).square().sum())
    return errors


@pytest.mark.parametrize("horizon", [1, 3])
def test_errors_are_those_of_single_predictions(horizon: int) -> None:
    a_case = case("byol_explore", **RAW, horizon=horizon, memory=8, features=8, hidden=8)
    scheme, _ = a_case.build()
    made = rollouts(a_case, STEPS, 1, 5, STEPS)
    assert made[1].first.any() or made[2].first.any()
    found = torch.cat([scheme.compute(rollout).streams["intrinsic"] for rollout in made])
    np.testing.assert_allclose(found.numpy(), loops(scheme, made, horizon), rtol=1e-3, atol=1e-5)


def test_scaled_by_moments_from_before_and_cut_at_the_mean() -> None:
    raw_case = case("byol_explore", **RAW)
    made = rollouts(raw_case, STEPS, STEPS, STEPS)
    plain, _ = raw_case.build()
    raw = [plain.compute(rollout).streams["intrinsic"].double().numpy() for rollout in made]
    scheme, _ = case("byol_explore", **RAW, moments_decay=0.9).build()  # the same weights, not warmed up
    scheme.config.normalise_reward = scheme.config.clip_below_mean = True
    mean, variance = 0.0, 1.0
    for number, (rollout, errors) in enumerate(zip(made, raw, strict=True)):
        expected = np.maximum(errors - mean, 0) / np.sqrt(variance)
        np.testing.assert_allclose(scheme.compute(rollout).streams["intrinsic"].numpy(), expected, rtol=1e-3, atol=1e-5)
        keep = 0.9 if number else 0.0
        mean = keep * mean + (1 - keep) * errors.mean()
        variance = keep * variance + (1 - keep) * ((errors - mean) ** 2).mean()


def test_loss_is_the_mean_over_starts_of_the_mean_over_their_predictions() -> None:
    """One rollout, where predictions reach to its end: from the same single predictions as above, regrouped."""
    horizon = 3
    a_case = case("byol_explore", **RAW, horizon=horizon, learning_rate=1e-12, batch_size=10_000, chunk=5)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    scheme.compute(rollout)
    by_ahead = [loops(scheme, [rollout], k) for k in range(1, horizon + 1)]
    total, starts = 0.0, 0
    for env in range(4):
        for start in range(STEPS):
            errors = []
            for ahead in range(horizon):
                at = start + ahead
                if at >= STEPS or (ahead > 0 and rollout.first[at, env]):
                    break
                before = by_ahead[ahead - 1][at, env] if ahead else 0.0  # what fewer actions ahead sum up to there
                errors.append(by_ahead[ahead][at, env] - before)
            total, starts = total + np.mean(errors), starts + 1
    assert scheme.update(rollout)["loss/byol_prediction"] == pytest.approx(total / starts, rel=1e-3)


def test_the_target_follows_the_encoder_slowly_and_never_learns() -> None:
    a_case = case("byol_explore", target_decay=0.9, batch_size=10_000)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    scheme.compute(rollout)
    before = scheme.target.average.layers[0].weight.clone()
    scheme.update(rollout)  # one step
    now = scheme.model.encoder.layers[0].weight.detach()
    assert not torch.equal(before, now)
    torch.testing.assert_close(scheme.target.average.layers[0].weight, 0.9 * before + 0.1 * now)


def test_errors_fall_on_what_can_be_foreseen() -> None:
    a_case = case("byol_explore", **RAW, learning_rate=3e-3, target_decay=1.0)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    errors = []
    for _ in range(150):
        errors.append(float(scheme.compute(rollout).streams["intrinsic"].mean()))
        scheme.update(rollout)
    assert errors[-1] < 0.2 * errors[0]
