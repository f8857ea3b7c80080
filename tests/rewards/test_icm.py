"""ICM's bonus, losses and learning, recomputed layer by layer."""

import numpy as np
import pytest
import torch
from made_up import STEPS, case, rollouts

from rewardlab.contracts.reward_case import RewardCase
from rewardlab.networks.flat import encode_flat
from rewardlab.types import Rollout


@torch.no_grad()
def test_bonus_and_losses_recomputed() -> None:
    a_case = case("icm", learning_rate=1e-12, batch_size=STEPS * 4)  # the update reports losses, and changes nothing
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    here, there = features(a_case, scheme, rollout)
    action = torch.nn.functional.one_hot(rollout.action, 7).float()
    gap = (scheme.forward.layers(torch.cat([here, action], dim=-1)) - there).double()
    bonus = 0.5 * (gap**2).sum(dim=-1)
    np.testing.assert_allclose(scheme.compute(rollout).streams["intrinsic"].numpy(), bonus.numpy(), rtol=1e-4)

    logits = scheme.inverse.head(torch.cat([here, there], dim=-1))
    chosen = logits.log_softmax(dim=-1).gather(-1, rollout.action.unsqueeze(-1))
    with torch.enable_grad():
        metrics = scheme.update(rollout)
    assert metrics["loss/icm_forward"] == pytest.approx(float(bonus.mean()), rel=1e-4)
    assert metrics["loss/icm_inverse"] == pytest.approx(-float(chosen.mean()), rel=1e-4)


@pytest.mark.parametrize("beta", [0.0, 0.2, 1.0])
def test_one_step_follows_the_weighted_loss(beta: float) -> None:
    """Adam's first step goes against the sign of the gradient: recomputed from the loss of the paper."""
    a_case = case("icm", beta=beta, learning_rate=1e-3, batch_size=STEPS * 4)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    here, there = features(a_case, scheme, rollout)
    action = torch.nn.functional.one_hot(rollout.action, 7).float()
    forward_loss = 0.5 * ((scheme.forward.layers(torch.cat([here, action], dim=-1)) - there) ** 2).sum(-1).mean()
    logits = scheme.inverse.head(torch.cat([here, there], dim=-1)).flatten(0, 1)
    inverse_loss = torch.nn.functional.cross_entropy(logits, rollout.action.flatten())
    weight = scheme.inverse.encoder.layers[0].weight
    (gradient,) = torch.autograd.grad((1 - beta) * inverse_loss + beta * forward_loss, weight)
    before = weight.detach().clone()
    scheme.update(rollout)
    clear = gradient.abs() > 1e-4
    assert clear.sum() > 100
    np.testing.assert_allclose((weight.detach() - before)[clear], -1e-3 * gradient.sign()[clear], rtol=0.05)


def test_inverse_model_learns_which_action_was_taken() -> None:
    a_case = case("icm", learning_rate=3e-3, batch_size=64)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    rollout.next_obs = {"image": rollout.obs["image"].clone()}
    rollout.next_obs["image"][..., 0, 0] = rollout.action.to(torch.uint8).unsqueeze(-1)  # the action shows
    losses = [scheme.update(rollout)["loss/icm_inverse"] for _ in range(100)]
    assert losses[0] > 1.5 and losses[-1] < 0.3


@pytest.mark.parametrize("world", ["grid", "mission", "vector", "continuous"])
def test_every_kind_of_world_fits(world: str) -> None:
    a_case = case("icm", world=world, normalise_reward=True)
    scheme, _ = a_case.build()
    for rollout in rollouts(a_case, STEPS, 3):
        assert scheme.compute(rollout).streams["intrinsic"].shape == (rollout.steps, 4)
        assert all(np.isfinite(value) for value in scheme.update(rollout).values())


def features(a_case: RewardCase, scheme: object, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
    layers = scheme.inverse.encoder.layers  # type: ignore[attr-defined]
    return layers(encode_flat(rollout.obs, a_case.spec.obs)), layers(encode_flat(rollout.next_obs, a_case.spec.obs))
