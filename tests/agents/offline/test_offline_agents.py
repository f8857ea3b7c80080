"""Gradient steps of iql, td3_bc and bc are those that autograd and torch's Adam take from the losses as published."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from rewardlab.agents.offline import bc, iql, td3_bc
from rewardlab.datasets.steps import StoredSteps
from rewardlab.errors import UserError
from rewardlab.maths.offline import advantage_weights, cosine, expectile
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec

GAMMA, STEPS, BATCH = 0.95, 3, 32
BOX = ActionSpec(shape=(2,), low=(-2.0, 0.0), high=(2.0, 1.0))
SCALE = {}  # of the data, by the formula
STREAMS = (StreamSpec("task", GAMMA),)


def context(action, seed=0):
    obs = {"vector": ObsSpec((5,), "float32"), "mission": ObsSpec((3,), "int64", 9)}
    spec = EnvSpec("World", obs, action, 50)
    return BuildContext(spec, 1, torch.device("cpu"), torch_rng(seed, "t"), numpy_rng(seed, "t"), GAMMA)


def data_of(action, episodes=8, length=10):
    """Episodes of which every second one is cut by the limit of steps."""
    rng = np.random.default_rng(5)
    rows, count = episodes * (length + 1), episodes * length
    obs = {
        "vector": torch.from_numpy(rng.normal(2.0, 3.0, (rows, 5)).astype(np.float32)),
        "mission": torch.from_numpy(rng.integers(10, size=(rows, 3))),
    }
    if action.n is not None:
        done = torch.from_numpy(rng.integers(action.n, size=count))
    else:
        done = torch.from_numpy(rng.uniform(BOX.low, BOX.high, (count, 2)).astype(np.float32))
    starts = np.arange(episodes + 1) * length
    terminated = torch.zeros(count, dtype=torch.bool)
    terminated[starts[1::2] - 1] = True
    reward = torch.from_numpy(rng.normal(0.0, 1.0, count).astype(np.float32))
    return StoredSteps(obs, done, reward, terminated, starts, GAMMA)


def units(action):
    low, high = torch.tensor(BOX.low), torch.tensor(BOX.high)
    return (action - (high + low) / 2) / ((high - low) / 2)


def of(network, obs, beside=None):
    """Slow copies read what the others do: they were copied before there was a scale."""
    scaled = obs | {"vector": (obs["vector"] - SCALE["mean"]) / (SCALE["std"] + 1e-3)}
    return network(network.encoder.prepare(scaled), beside)


def valued(network, obs, action, discrete):
    if discrete:
        return of(network, obs).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return of(network, obs, units(action)).squeeze(-1)


def same(ours, theirs):
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=2e-6), name


def begun(module, action, **options):
    config = module.Config(name=module.__name__.split(".")[-1], network="mlp", hidden=[16, 16], **options)
    agent, data = module.Agent(config, context(action), STREAMS), data_of(action)
    agent.begin(data)
    acted_on = data.at(np.arange(len(data))).obs["vector"]
    SCALE.update(mean=acted_on.mean(dim=0), std=acted_on.std(dim=0, unbiased=False))
    return agent, data, config


@pytest.mark.parametrize("action", [BOX, ActionSpec(n=4)], ids=["box", "discrete"])
def test_iql_steps_are_those_of_its_losses(action):
    agent, data, config = begun(iql, action)
    policy, critics, target, value = map(
        copy.deepcopy, (agent.policy, agent.critics, agent.target.average, agent.value)
    )
    of_policy, of_critics, of_value = (
        torch.optim.Adam(network.parameters(), config.learning_rate) for network in (policy, critics, value)
    )
    discrete = action.n is not None
    for step in range(STEPS):
        batch = data.sample(BATCH, np.random.default_rng(step))
        obs, acted = batch.obs, batch.action
        with torch.no_grad():
            then = of(value, batch.next_obs).squeeze(-1)
            least = torch.minimum(*(valued(network, obs, acted, discrete) for network in target))
        error = least - of(value, obs).squeeze(-1)
        advantage = error.detach()
        loss = ((config.expectile - (error < 0).float()).abs() * error.square()).mean()
        of_value.zero_grad()
        loss.backward()
        of_value.step()
        goal = batch.extra["reward"] + GAMMA * (batch.extra["discount"] > 0) * then
        losses = [functional.mse_loss(valued(network, obs, acted, discrete), goal) for network in critics]
        of_critics.zero_grad()
        (sum(losses) / 2).backward()
        of_critics.step()
        with torch.no_grad():
            for slow, quick in zip(target.parameters(), critics.parameters(), strict=True):
                slow.copy_(0.995 * slow + 0.005 * quick)
        weight = (config.beta * advantage).exp().clamp(max=100.0)
        if discrete:
            log_prob = of(policy, obs).log_softmax(-1).gather(-1, acted.unsqueeze(-1)).squeeze(-1)
        else:
            normal = torch.distributions.Normal(of(policy, obs).tanh(), policy.log_std.clamp(-20.0, 2.0).exp())
            log_prob = normal.log_prob(units(acted)).sum(-1)
        of_policy.param_groups[0]["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        of_policy.zero_grad()
        (-weight * log_prob).mean().backward()
        of_policy.step()
        told = agent.learn(data.sample(BATCH, np.random.default_rng(step)), step / STEPS)
        assert float(told["loss/value"]) == pytest.approx(loss.item(), rel=1e-4)
        assert float(told["loss/policy"]) == pytest.approx((-weight * log_prob).mean().item(), rel=1e-4)
    for ours, theirs in ((agent.policy, policy), (agent.critics, critics), (agent.target.average, target)):
        same(ours, theirs)
    same(agent.value, value)


def test_td3_bc_steps_are_those_of_its_losses():
    agent, data, config = begun(td3_bc, BOX)
    policy, slow_policy, critics, target = map(
        copy.deepcopy, (agent.policy, agent.slow_policy.average, agent.critics, agent.target.average)
    )
    of_policy, of_critics = (torch.optim.Adam(n.parameters(), config.learning_rate) for n in (policy, critics))
    noise_rng = torch.Generator().manual_seed(0)
    noise_rng.set_state(agent._generator.get_state())
    for step in range(4):
        batch = data.sample(BATCH, np.random.default_rng(step))
        acted = units(batch.action)
        with torch.no_grad():
            noise = (torch.empty(BATCH, 2).normal_(generator=noise_rng) * 0.2).clamp(-0.5, 0.5)
            following = (of(slow_policy, batch.next_obs).tanh() + noise).clamp(-1, 1)
            then = torch.minimum(*(of(network, batch.next_obs, following).squeeze(-1) for network in target))
            goal = batch.extra["reward"] + batch.extra["discount"] * then
        losses = [functional.mse_loss(of(network, batch.obs, acted).squeeze(-1), goal) for network in critics]
        of_critics.zero_grad()
        sum(losses).backward()
        of_critics.step()
        if step % 2 == 1:
            own = of(policy, batch.obs).tanh()
            values = of(critics[0], batch.obs, own)
            trust = 2.5 / values.abs().mean().detach()
            of_policy.zero_grad()
            (-trust * values.mean() + functional.mse_loss(own, acted)).backward()
            of_policy.step()
            with torch.no_grad():
                for slow, quick in ((target, critics), (slow_policy, policy)):
                    for one, other in zip(slow.parameters(), quick.parameters(), strict=True):
                        one.copy_(0.995 * one + 0.005 * other)
        agent.learn(data.sample(BATCH, np.random.default_rng(step)), step / 4)
    pairs = ((agent.policy, policy), (agent.slow_policy.average, slow_policy), (agent.critics, critics))
    for ours, theirs in (*pairs, (agent.target.average, target)):
        same(ours, theirs)


def test_bc_minimises_what_it_says_and_may_clone_the_best_alone():
    agent, data, _ = begun(bc, BOX)
    policy, batch = copy.deepcopy(agent.network), data.sample(BATCH, np.random.default_rng(1))
    loss = functional.mse_loss(of(policy, batch.obs).tanh(), units(batch.action))
    adam = torch.optim.Adam(policy.parameters(), 3e-4)
    loss.backward()
    adam.step()
    assert float(agent.learn(batch, 0.0)["loss/policy"]) == pytest.approx(loss.item(), rel=1e-5)
    same(agent.network, policy)
    best = bc.steps_of_best(data, 0.25)
    chosen = np.argsort(-data.returns)[:2]
    assert set(best // 10) == set(chosen) and len(best) == 20


def test_the_expectile_is_the_mean_at_one_half_and_the_largest_in_the_limit():
    targets = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    for share, expected in ((0.5, 2.0), (0.9999, 5.0), (0.0001, 0.0)):
        low, high = -1.0, 6.0  # the mean slope falls as the value grows
        for _ in range(40):
            value = (low + high) / 2
            low, high = (value, high) if float(expectile(targets - value, share)[1].mean()) > 0 else (low, value)
        assert value == pytest.approx(expected, abs=2e-3)
    weights = advantage_weights(torch.tensor([-1.0, 0.0, 1.0, 1e9]), 3.0)
    assert torch.allclose(weights, torch.tensor([math.exp(-3), 1.0, math.exp(3), 100.0]))
    assert [cosine(0.0), cosine(0.5), cosine(1.0)] == pytest.approx([1.0, 0.5, 0.0])


def test_td3_bc_refuses_discrete_actions_and_bc_a_bonus():
    with pytest.raises(UserError, match="needs continuous actions"):
        td3_bc.Agent(td3_bc.Config(name="td3_bc"), context(ActionSpec(n=3)), STREAMS)
    with pytest.raises(UserError, match="use reward=none"):
        bc.Agent(bc.Config(name="bc", network="mlp"), context(BOX), (*STREAMS, StreamSpec("intrinsic", 0.9)))
