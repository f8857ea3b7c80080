"""SAC: one gradient step against plain formulas, actions within their bounds, and that it learns."""

import pytest
import torch

from rewardlab.agents.replay.sac import Agent, Config
from rewardlab.errors import UserError
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec, Transitions

BOX = ActionSpec(shape=(2,), low=(-2.0, 0.0), high=(2.0, 10.0))


def make(action: ActionSpec = BOX, **options) -> Agent:
    spec = EnvSpec("made-up", {"vector": ObsSpec((4,), "float32")}, action, 100)
    context = BuildContext(spec, 4, torch.device("cpu"), torch_rng(0, "a"), numpy_rng(0, "a"), 0.9)
    return Agent(Config(**{"hidden": [16]} | options), context, (StreamSpec("task", 0.9),))


def test_actions_fill_their_box() -> None:
    agent = make()
    obs, first = {"vector": torch.zeros(5000, 4)}, torch.zeros(5000, dtype=torch.bool)
    drawn = agent.act(obs, None, first, "explore", torch_rng(0, "act")).action
    assert drawn[:, 0].min() > -2 and drawn[:, 0].max() < 2 and drawn[:, 0].std() > 1
    assert drawn[:, 1].min() > 0 and drawn[:, 1].max() < 10 and drawn[:, 1].std() > 2.5
    still = agent.act(obs, None, first, "sample", torch_rng(0, "act")).action
    assert torch.allclose(still, torch.tensor([0.0, 5.0]).expand(5000, 2), atol=0.1)
    assert torch.equal(still, agent.act(obs, None, first, "sample", torch_rng(1, "act")).action)


@pytest.mark.parametrize("action", [ActionSpec(n=3), ActionSpec(shape=(1,), low=(-float("inf"),), high=(1.0,))])
def test_other_actions_are_refused(action: ActionSpec) -> None:
    with pytest.raises(UserError, match="agent=sac: needs"):
        make(action)


def test_critics_learn_the_soft_value() -> None:
    """The first step, by torch's own distributions, with the same noise."""
    agent, rng = make(temperature=0.3), torch.Generator().manual_seed(1)
    vectors = torch.randn(2, 8, 4, generator=rng)
    action = torch.rand(8, 2, generator=rng) * torch.tensor([4.0, 10.0]) - torch.tensor([2.0, 0.0])
    extra = {"reward": torch.rand(8, generator=rng), "discount": torch.tensor([0.9] * 7 + [0.0])}
    noise = torch.empty(8, 2).normal_(generator=torch_rng(7, "noise"))
    agent._generator.set_state(torch_rng(7, "noise").get_state())
    policy, critics = agent.policy, agent.critics
    with torch.no_grad():
        mean, log_std = policy(policy.prepare({"vector": vectors[1]}))
        normal = torch.distributions.Normal(mean.double(), log_std.exp().double())
        squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform(cache_size=1))
        chosen = torch.tanh(mean + log_std.exp() * noise)
        following = critics(critics.prepare({"vector": vectors[1]}), chosen).amin(dim=0)
        entropy = -squashed.log_prob(chosen.double()).sum(dim=-1)
        wanted = extra["reward"] + extra["discount"] * (following + 0.3 * entropy)
        scaled = torch.stack([action[:, 0] / 2, action[:, 1] / 5 - 1], dim=-1)
        values = critics(critics.prepare({"vector": vectors[0]}), scaled)
    metrics, misjudged = agent.update_batch(Transitions({"vector": vectors[0]}, action, extra, {"vector": vectors[1]}))
    assert torch.allclose(misjudged.double(), (values - wanted).abs().mean(dim=0), atol=1e-4)
    assert float(metrics["loss/critic"]) == pytest.approx(float(0.5 * (values - wanted).square().sum() / 8), rel=1e-4)


def test_optimism_raises_the_policys_own_actions_above_others() -> None:
    """Of the critics' gradient alone; each critic's sum has its own values."""
    rng = torch.Generator().manual_seed(1)
    vectors, action = torch.randn(2, 8, 4, generator=rng), torch.rand(8, 2, generator=rng)
    extra = {"reward": torch.rand(8, generator=rng), "discount": torch.full((8,), 0.9)}
    steps = Transitions({"vector": vectors[0]}, action, extra, {"vector": vectors[1]})
    usual, agent, twin = make(), make(optimism=0.2), make(optimism=0.2)
    with torch.no_grad():
        following = twin._sample({"vector": vectors[1]})[0]
        own = twin._sample({"vector": vectors[0]})[0]
        drawn = 2 * torch.rand(8, 2, generator=twin._generator) - 1
    scaled, total = torch.stack([action[:, 0] / 2, action[:, 1] / 5 - 1], dim=-1), 0.0
    for k in range(2):
        critic = [
            twin.critics(twin.critics.prepare({"vector": vectors[0]}), a)[k] for a in (own, scaled, following, drawn)
        ]
        for b in range(8):
            total = total - 0.2 / 8 * (critic[0][b] - sum(other[b].exp() for other in critic[1:]).log())
    expected = torch.autograd.grad(total, list(twin.critics.parameters()))
    for each in (usual, agent):
        each.update_batch(steps)
    difference = agent.optimisers["critics"]._mean - usual.optimisers["critics"]._mean
    assert torch.allclose(difference, 0.1 * torch.cat([part.flatten() for part in expected]), atol=1e-6)


def test_the_temperature_keeps_the_entropy() -> None:
    """Where nothing is paid but entropy, it falls; where the policy has too little, it rises."""
    for target, falls in ((-100.0, True), (1.0, False)):  # of two actions in (-1, 1), 2 log 2 = 1.39 is the most
        agent = make(target_entropy=target, learning_rate=1e-2)
        with torch.no_grad():
            agent.policy.layers[-1].bias[2:] = -3.0  # narrow
        start = float(agent.log_temperature.detach())
        obs = {"vector": torch.zeros(16, 4)}
        extra = {"reward": torch.zeros(16), "discount": torch.zeros(16)}
        agent.update_batch(Transitions(obs, torch.ones(16, 2), extra, obs))
        assert (float(agent.log_temperature.detach()) < start) == falls


def test_it_finds_the_best_action() -> None:
    agent = make(learning_rate=3e-3, hidden=[64])
    rng, obs = torch.Generator().manual_seed(0), {"vector": torch.zeros(64, 4)}
    for _ in range(500):
        action = torch.rand(64, 2, generator=rng) * torch.tensor([4.0, 10.0]) - torch.tensor([2.0, 0.0])
        reward = -((action - torch.tensor([1.0, 8.0])) / torch.tensor([2.0, 5.0])).square().sum(dim=-1)
        agent.update_batch(Transitions(obs, action, {"reward": 5 * reward, "discount": torch.zeros(64)}, obs))
    best = agent.act({"vector": torch.zeros(1, 4)}, None, torch.zeros(1, dtype=torch.bool), "greedy", rng).action[0]
    assert best.tolist() == pytest.approx([1.0, 8.0], abs=0.6)
