"""AGAC: its three terms against loops over probabilities, and what the adversary learns."""

import math
from collections import Counter

import pytest
import torch
from made_up import case, rollouts


def guesses(scheme, rollout):
    """The adversary's log-probabilities, [T, N, A]: the view divided by 10, flattened."""
    flat = rollout.obs["image"].flatten(2).float() / 10
    with torch.no_grad():
        return scheme.adversary.layers(flat).log_softmax(-1)


def test_bonuses_are_of_their_own_step_and_fade():
    a_case = case("agac", c=0.5, c_end=0.2)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 12)[0]
    rollout.progress = 0.25
    guess, acted = guesses(scheme, rollout), rollout.dist["logits"].log_softmax(-1)
    signals = scheme.compute(rollout)
    c = 0.5 * (1 - 0.25 * 0.8)
    for t in range(12):
        for env in range(4):
            action = int(rollout.action[t, env])
            gap = float(acted[t, env, action] - guess[t, env, action])
            divergence = sum(
                math.exp(p) * (p - q) for p, q in zip(acted[t, env].tolist(), guess[t, env].tolist(), strict=True)
            )
            assert float(signals.advantage_bonus[t, env]) == pytest.approx(c * gap, abs=1e-5)
            assert float(signals.value_target_bonus[t, env]) == pytest.approx(c * divergence, abs=1e-5)


@pytest.mark.parametrize(("bonus", "pays"), [("first", lambda n: float(n == 1)), ("count", lambda n: n**-0.5)])
def test_states_new_to_the_episode_are_paid(bonus, pays):
    a_case = case("agac", bonus=bonus)
    scheme, _ = a_case.build()
    visits = [Counter() for _ in range(4)]
    for rollout in rollouts(a_case, 30, 20):
        paid = scheme.compute(rollout).streams["intrinsic"]
        for t in range(rollout.steps):
            for env in range(4):
                if rollout.first[t, env]:  # where an episode begins has been visited
                    visits[env] = Counter([rollout.obs["image"][t, env].numpy().tobytes()])
                view = rollout.next_obs["image"][t, env].numpy().tobytes()
                visits[env][view] += 1
                assert float(paid[t, env]) == pytest.approx(pays(visits[env][view]))


@pytest.mark.parametrize("world", ["grid", "mission"])
def test_the_adversary_comes_to_predict_the_policy(world):
    a_case = case("agac", world=world, learning_rate=5e-3, epochs=20)
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 40)[0]
    before = scheme.compute(rollout).value_target_bonus.mean()
    losses = [scheme.update(rollout)["loss/agac_adversary"] for _ in range(10)]
    assert losses[-1] < 0.3 * losses[0]
    assert scheme.compute(rollout).value_target_bonus.mean() < 0.3 * before
