"""PBRS: policy invariance on a world small enough to solve, and its ends by hand."""

import numpy as np
import pytest
import torch
from made_up import case, rollouts

from rewardlab.contracts.state_laws import new_context
from rewardlab.contracts.worlds import worlds
from rewardlab.errors import UserError
from rewardlab.maths.gae import gae
from rewardlab.rewards.shaping import pbrs
from rewardlab.schemas import check

GAMMA = 0.97  # of the made-up contexts


def test_each_step_is_paid_gamma_phi_of_the_successor_minus_phi():
    a_case = case("pbrs", potential="2 * agent_pos[0] - distance", coef=0.3)
    scheme, _ = a_case.build()
    assert scheme.streams[1].coef == 0.3 and scheme.streams[1].gamma == scheme.streams[0].gamma == GAMMA
    assert scheme.assumes == {"privileged"}
    ends = 0
    for rollout in rollouts(a_case, 40, 9):
        signals = scheme.compute(rollout)
        assert torch.equal(signals.streams["task"], rollout.task_reward)
        for t in range(rollout.steps):
            for env in range(4):
                before, after = (
                    2 * float(facts["agent_pos"][t, env, 0]) - float(facts["distance"][t, env])
                    for facts in (rollout.current_privileged, rollout.privileged)
                )
                if rollout.terminated[t, env]:
                    after = 0.0
                ends += int(rollout.truncated[t, env] and not rollout.terminated[t, env])
                assert float(signals.streams["shaping"][t, env]) == pytest.approx(GAMMA * after - before, abs=1e-4)
    assert ends > 2  # truncated steps, paid by their true successor


def test_the_best_policy_of_a_small_world_stays_the_best():
    """A random world of 6 states and 3 actions, solved by value iteration with and without F: Q* shifts by -Phi(s)."""
    rng = np.random.default_rng(0)
    chance = rng.dirichlet(np.ones(6), size=(6, 3))  # P(s' | s, a); state 5 is terminal
    reward = rng.normal(size=(6, 3, 6))
    phi = rng.normal(size=6) * 10
    scheme, _ = case("pbrs", world="vector", potential="vector[0]").build()
    shaping = np.zeros((6, 6))
    sample = rollouts(case("pbrs", world="vector", potential="vector[0]"), 1)[0]
    for s in range(6):
        for after in range(6):
            sample.obs["vector"][0, :, 0] = float(phi[s])
            sample.next_obs["vector"][0, :, 0] = float(phi[after])
            sample.terminated[:] = after == 5
            shaping[s, after] = scheme.compute(sample).streams["shaping"][0, 0]
    phi[5] = 0.0

    def best(paid):
        q = np.zeros((6, 3))
        for _ in range(3000):
            value = q.max(axis=1)
            value[5] = 0.0
            q = (chance * (paid + GAMMA * value)).sum(axis=2)
        return q[:5]

    plain, shaped = best(reward), best(reward + shaping[:, None, :])
    np.testing.assert_allclose(shaped, plain - phi[:5, None], atol=1e-3)
    assert (plain.argmax(axis=1) == shaped.argmax(axis=1)).all()


@pytest.mark.parametrize("gae_lambda", [0.0, 0.95, 1.0])
def test_advantages_of_a_critic_that_knows_the_potential_are_unchanged(gae_lambda):
    """With -Phi as the value of the shaping stream its advantages are 0 everywhere, ends of both kinds included."""
    a_case = case("pbrs", potential="-distance")
    scheme, _ = a_case.build()
    rollout = rollouts(a_case, 50)[0]
    paid = scheme.compute(rollout).streams["shaping"]
    worth, after = rollout.current_privileged["distance"].float(), rollout.privileged["distance"].float()
    values = torch.cat([worth, after[-1:]])
    advantages = gae(paid, values, after, rollout.terminated, rollout.truncated, gamma=GAMMA, gae_lambda=gae_lambda)
    assert paid.abs().max() > 1
    torch.testing.assert_close(advantages, torch.zeros_like(advantages), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("potential", "message"),
    [
        ("distance.item()", "is not allowed"),
        ("3", "the same in every state"),
        ("-distance +", "is no expression"),
        ("sin(distance)", "no function sin"),
    ],
)
def test_what_is_no_potential_is_refused_in_one_line(potential, message):
    with pytest.raises(UserError, match=message) as refusal:
        check(pbrs.Config(plugin="pbrs", potential=potential), "reward.")
    assert str(refusal.value).startswith(f"reward.potential={potential}") and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("world", "potential", "message"),
    [
        ("grid", "agent_pos", r"gives numbers of shape \(2,\) instead of one; take one of them, as in agent_pos"),
        ("vector", "vector[9]", "can't be computed on made-up vector"),
        ("grid", "vector[0]", "reads the vector, and made-up grid shows image"),
    ],
)
def test_a_potential_that_gives_no_number_is_refused_before_a_run(world, potential, message):
    with pytest.raises(UserError, match=message):
        case("pbrs", world=world, potential=potential).build()


def test_a_world_without_the_fact_is_refused():
    with pytest.raises(UserError, match="reads the full-state fact distance, which made-up grid does not give"):
        pbrs.Scheme(pbrs.Config(plugin="pbrs"), new_context(worlds()["grid"]))
