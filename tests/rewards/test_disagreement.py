"""Disagreement's bonus and loss recomputed member by member; it falls on what was seen often."""

import numpy as np
import pytest
import torch
from made_up import STEPS, case, rollouts
from torch.nn import functional

from rewardlab.networks.flat import encode_flat
from rewardlab.types import Rollout, TensorObs


@torch.no_grad()
def predictions(scheme: object, rollout: Rollout, whiten: tuple[np.ndarray, np.ndarray] | None) -> list[torch.Tensor]:
    """Each member's [T, N, features], layer by layer."""
    action = functional.one_hot(rollout.action, 7).float()
    inputs = torch.cat([features(scheme, rollout.obs, whiten), action], dim=-1)
    net = scheme.ensemble  # type: ignore[attr-defined]
    found = []
    for member in range(len(net.weights[0])):
        hidden = (inputs @ net.weights[0][member] + net.biases[0][member]).clamp(min=0)
        found.append(hidden @ net.weights[1][member] + net.biases[1][member])
    return found


def features(scheme: object, obs: TensorObs, whiten: tuple[np.ndarray, np.ndarray] | None) -> torch.Tensor:
    flat = encode_flat(obs, scheme.context.spec.obs)  # type: ignore[attr-defined]
    if whiten is not None:
        flat = ((flat - torch.from_numpy(whiten[0]).float()) / torch.from_numpy(whiten[1]).float()).clamp(-5, 5)
    return scheme.encoder.layers(flat).detach()  # type: ignore[attr-defined]


def variance(members: list[torch.Tensor]) -> np.ndarray:
    """Mean over features of the mean squared distance from the members' mean."""
    mean = sum(members) / len(members)
    return (sum((member - mean) ** 2 for member in members) / len(members)).mean(dim=-1).numpy()


def moments(a_case: object, rollout: Rollout) -> tuple[np.ndarray, np.ndarray]:
    flat = encode_flat(rollout.next_obs, a_case.spec.obs).flatten(0, 1).double().numpy()  # type: ignore[attr-defined]
    return flat.mean(axis=0), np.sqrt(flat.var(axis=0) + 1e-8)


def test_bonus_recomputed_with_whitening_and_return_filter() -> None:
    a_case = case("disagreement", warmup=STEPS, gamma=0.9)
    scheme, _ = case("disagreement", warmup=0, gamma=0.9).build()
    warm_up, rollout = rollouts(a_case, STEPS, STEPS)
    scheme.warm_up(warm_up)
    raw = variance(predictions(scheme, rollout, moments(a_case, warm_up)))
    value, sums = np.zeros(4), []
    for row in raw:
        value = 0.9 * value + row
        sums.append(value)
    found = scheme.compute(rollout).streams["intrinsic"].numpy()
    np.testing.assert_allclose(found, raw / np.std(sums), rtol=1e-3)


@pytest.mark.parametrize("source", ["random", "inverse"])
def test_bonus_and_loss_without_normalisation(source: str) -> None:
    options = {"features_from": source, "normalise_observation": False, "normalise_reward": False, "share": 1.0}
    a_case = case("disagreement", **options, learning_rate=1e-12, batch_size=STEPS * 4)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    members = predictions(scheme, rollout, None)
    found = scheme.compute(rollout).streams["intrinsic"].numpy()
    np.testing.assert_allclose(found, variance(members), rtol=1e-4)
    target = features(scheme, rollout.next_obs, None)
    expected = np.mean([float((member - target).square().mean()) for member in members])
    assert scheme.update(rollout)["loss/disagreement_forward"] == pytest.approx(expected, rel=1e-4)


def test_it_falls_on_what_was_seen_often_and_less_on_what_was_not() -> None:
    a_case = case("disagreement", normalise_reward=False, warmup=0, learning_rate=3e-3)
    scheme, _ = a_case.build()
    often, never = rollouts(a_case, STEPS, seed=1)[0], rollouts(a_case, STEPS, seed=2)[0]
    never.obs["image"] = (never.obs["image"] + 5) % 11  # other looks
    paid = [scheme.bonus(rollout).mean().item() for rollout in (often, never)]
    for _ in range(100):
        scheme.update(often)
    after = [scheme.bonus(rollout).mean().item() for rollout in (often, never)]
    assert after[0] < 0.1 * paid[0]
    assert after[1] > 5 * after[0]


def test_random_features_never_learn_and_learned_ones_do() -> None:
    for source, learns in (("random", False), ("inverse", True)):
        a_case = case("disagreement", features_from=source)
        scheme, _ = a_case.build()
        rollout = rollouts(a_case, STEPS)[0]
        before = scheme.encoder.layers[0].weight.detach().clone()
        scheme.compute(rollout)
        scheme.update(rollout)
        assert (not torch.equal(before, scheme.encoder.layers[0].weight)) == learns


def test_members_learn_from_samples_of_their_own() -> None:
    """With a share of the samples the members' first steps differ even from equal weights."""
    a_case = case("disagreement", share=0.5, batch_size=STEPS * 4, warmup=0)
    scheme, _ = a_case.build()
    with torch.no_grad():
        for parameter in scheme.ensemble.parameters():
            parameter[:] = parameter[0].clone()
    rollout = rollouts(a_case, STEPS)[0]
    assert float(scheme.compute(rollout).streams["intrinsic"].abs().max()) < 1e-6
    scheme.update(rollout)
    weights = scheme.ensemble.weights[1].detach()
    assert not torch.allclose(weights[0], weights[1])
