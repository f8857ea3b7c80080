"""E3B's bonus recomputed from its encoder's features with matrices inverted outright; its learning."""

import numpy as np
import pytest
import torch
from made_up import STEPS, case, rollouts

from rewardlab.types import Rollout


class Loops:
    """The formula of the paper, one environment and one step at a time."""

    def __init__(self, scheme: object, size: int, ridge: float = 0.1, of_length_1: bool = True) -> None:
        self.encoder = scheme.features  # type: ignore[attr-defined]
        self.of_length_1 = of_length_1
        self.covariance = [ridge * np.eye(size) for _ in range(4)]
        self.empty = ridge * np.eye(size)

    @torch.no_grad()
    def bonus(self, rollout: Rollout, paid: str) -> np.ndarray:
        here, there = self.encoder(rollout.obs).double().numpy(), self.encoder(rollout.next_obs).double().numpy()
        if self.of_length_1:
            here, there = (each / np.sqrt((each**2).sum(axis=-1, keepdims=True)) for each in (here, there))
        worth = np.zeros(rollout.first.shape)
        for env in range(rollout.num_envs):
            for t in range(rollout.steps):
                first = bool(rollout.first[t, env])
                if first:
                    self.covariance[env] = self.empty
                before = here[t, env] @ np.linalg.inv(self.covariance[env]) @ here[t, env]
                self.covariance[env] = self.covariance[env] + np.outer(here[t, env], here[t, env])
                after = there[t, env] @ np.linalg.inv(self.covariance[env]) @ there[t, env]
                worth[t, env] = after if paid == "successor" else (0.0 if first else before)
        return worth


@pytest.mark.parametrize(("paid", "of_length_1"), [("successor", True), ("successor", False), ("current", False)])
def test_bonus_over_rollouts_recomputed(paid: str, of_length_1: bool) -> None:
    a_case = case("e3b", paid=paid, normalise_reward=False, normalise_features=of_length_1, features=8)
    scheme, _ = a_case.build()
    loops = Loops(scheme, 8, of_length_1=of_length_1)
    for rollout in rollouts(a_case, STEPS, 7, STEPS):
        found = scheme.compute(rollout).streams["intrinsic"].numpy()
        np.testing.assert_allclose(found, loops.bonus(rollout, paid), rtol=1e-3, atol=1e-6)


def test_the_bonus_is_divided_by_the_deviation_of_all_before_it() -> None:
    a_case = case("e3b", features=8)
    warm_up, *trained = rollouts(a_case, STEPS, STEPS, STEPS)
    trained[0].first[0] = True  # training begins with episodes of its own
    scheme, _ = case("e3b", features=8, normalise_reward=False).build()  # the same weights, not warmed up
    scheme.config.normalise_reward = True
    scheme.warm_up(warm_up)
    seen = [Loops(scheme, 8).bonus(warm_up, "successor")]
    loops = Loops(scheme, 8)  # the warm-up leaves the memory empty
    for rollout in trained:
        raw = loops.bonus(rollout, "successor")
        expected = raw / np.std(np.concatenate([part.ravel() for part in seen]))
        found = scheme.compute(rollout).streams["intrinsic"].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-3)
        seen.append(raw)


def test_the_encoder_learns_by_inverse_dynamics_alone() -> None:
    a_case = case("e3b", learning_rate=3e-3, batch_size=64)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    rollout.next_obs = {"image": rollout.obs["image"].clone()}
    rollout.next_obs["image"][..., 0, 0] = rollout.action.to(torch.uint8).unsqueeze(-1)  # the action shows
    losses = [scheme.update(rollout)["loss/e3b_inverse"] for _ in range(100)]
    assert losses[0] > 1.5 and losses[-1] < 0.3


def test_what_comes_again_within_the_episode_is_paid_less() -> None:
    a_case = case("e3b", normalise_reward=False)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, STEPS)[0]
    for name in ("obs", "next_obs"):
        getattr(rollout, name)["image"][:] = rollout.obs["image"][0].clone()  # nothing ever changes
    rollout.first[:] = False
    rollout.first[0] = True
    bonus = scheme.compute(rollout).streams["intrinsic"]
    assert (bonus[1:] < bonus[:-1]).all()


def test_the_bonus_stays_as_large_however_long_the_features_grow() -> None:
    for of_length_1, least, most in ((True, 0.99, 1.01), (False, 1.5, 1e6)):
        a_case = case("e3b", normalise_reward=False, normalise_features=of_length_1)
        scheme, _ = a_case.build()
        rollout = rollouts(a_case, STEPS)[0]
        before = scheme.compute(rollout).streams["intrinsic"].mean()
        scheme.memory.forget()
        with torch.no_grad():
            for weight in list(scheme.features.inverse.encoder.layers.parameters())[-2:]:
                weight *= 10
        assert least < float(scheme.compute(rollout).streams["intrinsic"].mean() / before) < most


def test_warm_up_only_where_it_sets_something() -> None:
    assert case("e3b").build()[0].warmup_steps == 128
    assert case("e3b", normalise_reward=False).build()[0].warmup_steps == 0
