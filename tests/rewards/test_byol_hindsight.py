"""BYOL-Hindsight: its error recomputed, who pulls which way, and noise that stops to pay."""

import numpy as np
import pytest
import torch
from stochastic_world import DOTS, MOVE, NOISE, PLACES, World, build
from torch.nn import functional

from rewardlab.types import Rollout

RAW = {"normalise_reward": False, "clip_below_mean": False}
SIZES = {"hidden": 64, "features": 64, "memory": 64, "batch_size": 512}


@torch.no_grad()
def test_error_is_reconstruction_plus_information_recomputed() -> None:
    scheme, _ = build("byol_hindsight", **RAW, **SIZES, horizon=1, invariance_coef=0.5)
    world = World()
    for _ in range(3):  # an update fills what z is compared with
        rollout = world.rollout(8)
        with torch.enable_grad():
            scheme.compute(rollout)
            scheme.update(rollout)
    rollout = world.rollout(8)
    state = scheme.context.generator.get_state()
    found = scheme.compute(rollout).streams["intrinsic"].numpy()
    noise = torch.randn(8, 1, 16, generator=torch.Generator().set_state(state))

    history, kept = scheme._seen.history, scheme.critic.kept
    belief, action = history.belief[-8:], functional.one_hot(rollout.action, 2).float()
    target = functional.normalize(scheme.target.average(rollout.next_obs), dim=-1)
    for t in range(8):
        for env in range(16):
            known = torch.cat([belief[t, env], action[t, env]])
            z = scheme.generator(torch.cat([known, target[t, env], noise[t, 0]]))
            after = scheme.model.open(action[t, env][None], belief[t, env][None])[0]
            said = scheme.reconstructor(torch.cat([after, z]))
            error = float((said / said.norm() - target[t, env]).square().sum())
            embedded = scheme.critic.of_known(known) / np.sqrt(64)
            scores = [float(embedded @ scheme.critic.of_hindsight(other)) for other in (z, *kept)]
            information = scores[0] - np.log(np.mean(np.exp(scores)))
            assert found[t, env] == pytest.approx(error + 0.5 * information, rel=1e-3, abs=1e-4)


def test_the_critic_raises_the_estimate_and_the_generator_lowers_it() -> None:
    for learner, coef, sign in (("critic", 1.0, 1), ("generator", 100.0, -1)):
        rates = {"learning_rate": 1e-3, "critic_learning_rate": 1e-12}
        if learner == "critic":
            rates = {"learning_rate": 1e-12, "critic_learning_rate": 1e-3}
        scheme, context = build("byol_hindsight", **RAW, **rates, horizon=1, invariance_coef=coef, batch_size=10_000)
        rollout = World().rollout(64)
        scheme.compute(rollout)
        before = {name: value.clone() for name, value in scheme.critic.state_dict().items()}
        estimates = []
        for _ in range(30):
            context.generator.manual_seed(5)  # the same noise and the same others each time
            estimates.append(scheme.update(rollout)["loss/byol_information"])
        moved = any(
            not torch.allclose(before[name], value, atol=1e-6)
            for name, value in scheme.critic.state_dict().items()
            if not name.startswith("_")
        )
        assert moved == (learner == "critic")
        assert sign * (estimates[-1] - estimates[0]) > 0.01


def test_information_shapes_the_generator_alone() -> None:
    """Its gradient reaches neither the world model nor the reconstructor: with it they step as without it."""
    stepped = []
    for coef in (0.0, 10.0):
        scheme, context = build("byol_hindsight", **RAW, horizon=1, invariance_coef=coef, batch_size=10_000)
        rollout = World().rollout(16)
        scheme.compute(rollout)
        context.generator.manual_seed(5)
        scheme.update(rollout)
        stepped.append([scheme.model, scheme.reconstructor, scheme.generator])
    for part, alike in zip(range(3), (True, True, False), strict=True):
        pairs = zip(stepped[0][part].parameters(), stepped[1][part].parameters(), strict=True)
        assert all(torch.equal(left, right) for left, right in pairs) == alike


def errors_after_training(name: str, updates: int, **options: object) -> tuple[float, float, float]:
    """Mean raw errors of moves and of noise over the last updates, and the least that foresight can make of noise."""
    scheme, _ = build(name, **RAW, **SIZES, horizon=1, target_decay=1.0, learning_rate=3e-3, **options)
    world, last = World(), []
    for update in range(updates):
        rollout: Rollout = world.rollout(64)
        paid = scheme.compute(rollout).streams["intrinsic"]
        scheme.update(rollout)
        if update >= updates - 10:
            last.append([float(paid[rollout.action == action].mean()) for action in (MOVE, NOISE)])
    move, noise = np.mean(last, axis=0)
    return float(move), float(noise), least_error(scheme)


@torch.no_grad()
def least_error(scheme: object) -> float:
    """Of unit vectors y with mean m, the best one guess is m / |m|, and its mean squared distance 2 - 2 |m|."""
    dots = torch.cartesian_prod(*[torch.arange(2.0)] * DOTS)
    least = []
    for place in torch.eye(PLACES):
        shown = torch.cat([place.expand(len(dots), -1), dots], dim=1)
        outcomes = functional.normalize(scheme.target.average({"vector": shown}), dim=-1)  # type: ignore[attr-defined]
        least.append(2 - 2 * float(outcomes.mean(dim=0).norm()))
    return float(np.mean(least))


def test_noise_stops_to_pay_in_hindsight_and_goes_on_paying_without() -> None:
    """Targets that stay (decay 1) keep the noise: an encoder that learns would sooner or later leave it out."""
    move, noise, least = errors_after_training("byol_explore", 100)
    assert move < 0.05 and noise > 0.9 * least > 0.1
    move, noise, least = errors_after_training("byol_hindsight", 160)
    assert move < 0.05 and noise < 0.6 * least
