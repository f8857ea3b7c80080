"""What a scheme hands PPO beside reward streams: bonuses on advantages and value targets, and losses of its own."""

import math

import pytest
import torch

from rewardlab.agents import random
from rewardlab.agents.on_policy import gradient_steps
from rewardlab.errors import Diverged, UserError
from rewardlab.maths.gae import gae
from rewardlab.types import Signals, StreamSpec, Transitions

WHOLE = {"epochs": 1, "minibatch_size": 10_000, "max_grad_norm": 1e9, "shared": []}
TASK = StreamSpec("task", 0.99, coef=0.5)


@pytest.fixture
def world(worlds, learning):
    def build(**options):
        return learning(worlds["identity"](4), **WHOLE | options)

    return build


def parameters(world, part):
    state = world.agent.policy_state_dict()
    return torch.cat([entry.flatten() for name, entry in state.items() if name.startswith(part)])


def advantages(rollout, coef=1.0):
    return gae(
        coef * rollout.task_reward,
        rollout.values[..., 0],
        rollout.final_values[..., 0],
        rollout.terminated,
        rollout.truncated,
        gamma=0.99,
        gae_lambda=0.95,
    )


def test_an_advantage_bonus_changes_the_policy_and_leaves_the_returns(world):
    outcomes = []
    for size in (0.0, 1.0):
        one = world()
        rollout = one.collect()
        bonus = size * torch.randn(rollout.task_reward.shape, generator=torch.Generator().manual_seed(1))
        metrics = one.agent.update(rollout, Signals({"task": rollout.task_reward}, advantage_bonus=bonus), 0.0)
        outcomes.append((parameters(one, "policy"), parameters(one, "critic"), metrics["loss/value"]))
    (policy, critic, value), (other_policy, other_critic, other_value) = outcomes
    assert not torch.equal(policy, other_policy)
    assert torch.equal(critic, other_critic) and value == other_value


def test_an_advantage_bonus_is_added_to_its_own_step_before_normalisation(world):
    one = world(normalise_advantages=True)
    rollout = one.collect()
    bonus = torch.randn(rollout.task_reward.shape, generator=torch.Generator().manual_seed(2))
    metrics = one.agent.update(rollout, Signals({"task": rollout.task_reward}, advantage_bonus=bonus), 0.0)
    total = advantages(rollout) + bonus
    normalised = (total - total.mean()) / total.std(unbiased=False)
    assert metrics["loss/policy"] == pytest.approx(-normalised.mean().item(), abs=1e-5)
    # The mean of what is normalised is 0 whatever it is; the gradient is not.
    logits = rollout.dist["logits"].clone().requires_grad_()
    log_prob = logits.log_softmax(-1).gather(-1, rollout.action.unsqueeze(-1)).squeeze(-1)
    (-(log_prob - rollout.log_prob).exp() * normalised).mean().backward()
    other = world(normalise_advantages=True, entropy_coef=0.0, value_coef=0.0)
    other_rollout = other.collect()
    signals = Signals({"task": other_rollout.task_reward}, advantage_bonus=bonus)
    found = other.agent.update(other_rollout, signals, 0.0)["loss/grad_norm"]
    reference = world()
    network = reference.agent.network
    dist, _ = network(network.prepare({name: entry.flatten(0, 1) for name, entry in rollout.obs.items()}))
    dist["logits"].backward(logits.grad.flatten(0, 1))
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None))
    assert found == pytest.approx(norm, rel=1e-4)


def test_a_value_target_bonus_is_added_to_what_the_critic_learns(world):
    one = world()
    rollout = one.collect()
    bonus = torch.randn(rollout.task_reward.shape, generator=torch.Generator().manual_seed(3))
    metrics = one.agent.update(rollout, Signals({"task": rollout.task_reward}, value_target_bonus=bonus), 0.0)
    assert metrics["loss/value"] == pytest.approx((advantages(rollout) + bonus).square().mean().item(), rel=1e-4)


class Pull:
    """Pulls the log-probability of action 0 up in every observation that the rollout had, `count` times."""

    name = "pull"

    def __init__(self, obs, count, scale=1.0):
        self.obs, self.count, self.scale = obs, count, scale
        self.judgements = []

    def batches(self):
        steps = len(next(iter(self.obs.values())))
        return [Transitions(self.obs, torch.zeros(steps, dtype=torch.int64))] * self.count

    def loss(self, batch, judgement):
        self.judgements.append(judgement)
        return -self.scale * judgement.log_prob.mean()


def test_a_loss_handed_over_is_stepped_on_by_the_agents_optimiser(worlds, learning):
    options = {"epochs": 2, "minibatch_size": 32, "max_grad_norm": 0.5}
    one = learning(worlds["identity"](4), specs=(TASK,), **options)
    rollout = one.collect()
    flat = {name: entry.flatten(0, 1).clone() for name, entry in rollout.obs.items()}
    pull = Pull(flat, 5)
    one.agent.take_aux_losses((pull,))
    metrics = one.agent.update(rollout, Signals({"task": rollout.task_reward}), 0.0)
    assert one.agent.updates == 4 + 5
    means = [-judgement.log_prob.mean().item() for judgement in pull.judgements]
    assert means == sorted(means, reverse=True) and means[0] > means[-1]
    assert metrics["loss/pull"] == pytest.approx(sum(means) / 5)
    assert "loss/pull" in one.agent.metrics
    # The judgement after PPO's own steps: what the network says, in units of the task's reward.
    plain = learning(worlds["identity"](4), specs=(TASK,), **options)
    plain.agent.update(plain.collect(), Signals({"task": rollout.task_reward}), 0.0)
    logits, values = plain.agent.network(plain.agent.network.prepare(flat))
    first = pull.judgements[0]
    assert torch.allclose(first.task_value, values[:, 0] / 0.5)
    assert torch.allclose(first.log_prob, logits["logits"].log_softmax(-1)[:, 0])
    probabilities = logits["logits"].softmax(-1)
    assert torch.allclose(first.entropy, -(probabilities * probabilities.log()).sum(-1), atol=1e-5)


def test_a_loss_that_is_not_finite_leaves_the_weights(world):
    one = world()
    rollout = one.collect()
    obs = {name: entry[0] for name, entry in rollout.obs.items()}
    one.agent.take_aux_losses((Pull(obs, 1, scale=math.nan),))
    before = parameters(one, "")
    with pytest.raises(Diverged, match="pull"):
        one.agent.update(rollout, Signals({"task": torch.zeros_like(rollout.task_reward)}), 0.0)
    assert torch.isfinite(parameters(one, "")).all() and before.shape == parameters(one, "").shape


def test_a_recurrent_policy_refuses_losses_on_single_steps(worlds, learning):
    one = learning(worlds["identity"](4), memory="gru", memory_size=8)
    with pytest.raises(UserError, match=r"agent\.memory=gru: can't take the loss pull"):
        one.agent.take_aux_losses((Pull({}, 1),))


def test_random_takes_no_losses():
    assert not random.Agent.takes_aux_losses


def test_advantages_are_scaled_one_by_one_and_then_mixed(world, monkeypatch):
    cost = StreamSpec("cost", 0.9, coef=30.0)
    one = world(specs=(TASK, cost), fused=False)
    rollout, seen = one.collect(), []
    loss = gradient_steps.clipped_policy_loss

    def recording(ratio, advantage, clip):
        seen.append(advantage.flatten())
        return loss(ratio, advantage, clip)

    monkeypatch.setattr(gradient_steps, "clipped_policy_loss", recording)
    paid = torch.randn(rollout.task_reward.shape, generator=torch.Generator().manual_seed(4))
    mixture = {"task": 0.8, "cost": 0.2}
    one.agent.update(rollout, Signals({"task": rollout.task_reward, "cost": paid}, mixture=mixture), 0.0)
    expected = torch.zeros_like(paid)
    for index, (spec, reward) in enumerate(((TASK, rollout.task_reward), (cost, paid))):
        found = gae(
            spec.coef * reward, rollout.values[..., index], rollout.final_values[..., index], rollout.terminated,
            rollout.truncated, gamma=spec.gamma, gae_lambda=0.95,
        )  # fmt: skip
        expected += mixture[spec.name] * (found - found.mean()) / found.std(unbiased=False)
    (mixed,) = seen
    torch.testing.assert_close(mixed.sort().values, expected.flatten().sort().values, atol=1e-4, rtol=1e-4)
