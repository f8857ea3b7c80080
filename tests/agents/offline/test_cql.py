"""CQL: its closed form with discrete actions, and for boxes one gradient step of each network by torch's own means."""

import numpy as np
import pytest
import torch

from rewardlab.agents.offline.cql import Agent, Config
from rewardlab.datasets.steps import StoredSteps
from rewardlab.errors import UserError
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec, Transitions

BOX = ActionSpec(shape=(2,), low=(-2.0, 0.0), high=(2.0, 10.0))


def make(action: ActionSpec, **options) -> Agent:
    spec = EnvSpec("made-up", {"vector": ObsSpec((3,), "float32")}, action, 100)
    context = BuildContext(spec, 1, torch.device("cpu"), torch_rng(0, "a"), numpy_rng(0, "a"), 0.9)
    return Agent(Config(**{"hidden": [16]} | options), context, (StreamSpec("task", 0.9),))


def test_values_are_lower_the_less_an_action_was_done() -> None:
    """A state, three actions done 6, 3 and 1 times of ten: Q(a) = r(a) - w (softmax Q(a) / share(a) - 1)."""
    action = torch.tensor([0] * 6 + [1] * 3 + [2])
    paid = torch.tensor([0.2, 0.5, 1.0])
    starts = np.arange(11)  # ten episodes of a step, two observations each
    data = StoredSteps(
        {"vector": torch.ones(20, 3)}, action, paid[action], torch.ones(10, dtype=torch.bool), starts, 0.9
    )
    for weight in (0.0, 0.5):
        agent = make(ActionSpec(n=3), conservative=weight, learning_rate=5e-3, normalise_observation=False)
        agent.begin(data)
        for _ in range(1200):
            metrics = agent.learn(data.at(np.arange(10)), 0.0)
        values = agent._critics.outputs(agent._critics.inputs({"vector": torch.ones(1, 3)}))[0, 0]
        share = torch.tensor([0.6, 0.3, 0.1])
        wanted = paid - weight * (values.softmax(dim=0) / share - 1.0)
        assert torch.allclose(values, wanted, atol=5e-3)
        gap = values.logsumexp(dim=0) - (share * values).sum()
        assert abs(float(metrics["loss/gap"]) - float(gap)) < 5e-3
    obs = {"vector": torch.ones(4, 3)}
    acts = agent.act(obs, None, torch.zeros(4, dtype=torch.bool), "sample", torch_rng(0, "act")).action
    assert torch.equal(acts, values.argmax().expand(4))
    agent.config.temperature, agent.stochastic = 1.0, True
    obs, first = {"vector": torch.ones(20_000, 3)}, torch.zeros(20_000, dtype=torch.bool)
    drawn = agent.act(obs, None, first, "sample", torch_rng(0, "act")).action.bincount(minlength=3) / 20_000
    assert torch.allclose(drawn, share * (1.0 + (paid - values) / weight), atol=0.02)


def test_values_stay_below_the_truth_with_a_temperature_and_rise_beyond_it_without() -> None:
    """A corridor of three cells whose end pays 1, done right 6 times of ten: left, stay and right are known exactly."""
    cell, action = (part.flatten() for part in np.meshgrid(np.arange(3), [0] * 6 + [1, 1, 2, 2], indexing="ij"))
    then = np.clip(cell + np.choose(action, [1, -1, 0]), 0, 2)
    ends = (cell == 2) & (action == 0)
    shown = torch.from_numpy(np.eye(3, dtype=np.float32)[np.stack([cell, then], axis=1).flatten()])
    paid, over = torch.from_numpy(ends.astype(np.float32)), torch.from_numpy(ends)
    data = StoredSteps({"vector": shown}, torch.from_numpy(action), paid, over, np.arange(31), 0.99)
    told, least = {}, {}
    for temperature in (0.0, 0.1):
        agent = make(
            ActionSpec(n=3), conservative=0.1, temperature=temperature, learning_rate=5e-3, target_rate=0.05,
            normalise_observation=False,
        )  # fmt: skip
        agent.begin(data)
        for _ in range(1500):
            agent.learn(data.at(np.arange(30)), 0.0)
        values = agent._critics.outputs(agent._critics.inputs({"vector": torch.eye(3)}))[0].double().numpy()
        if temperature == 0:
            told[0.0], least[0.0] = values.max(axis=1), np.array([0.99**2, 0.99, 1.0])  # the best there is
            continue
        shares = np.exp(values / temperature)
        shares /= shares.sum(axis=1, keepdims=True)
        moves = np.zeros((3, 3))
        for at in range(3):
            for chosen, step in enumerate((1, -1, 0)):
                if (at, chosen) != (2, 0):
                    moves[at, np.clip(at + step, 0, 2)] += shares[at, chosen]
        least[0.1] = np.linalg.solve(np.eye(3) - 0.99 * moves, shares[:, 0] * np.array([0.0, 0.0, 1.0]))
        told[0.1] = (shares * values).sum(axis=1)
        follows = np.stack([told[0.1][[1, 2, 2]], told[0.1][[0, 0, 1]], told[0.1]], axis=1)
        follows[2, 0] = 1 / 0.99  # it ends, and is paid
        wanted = 0.99 * follows - 0.1 * (shares / np.array([0.6, 0.2, 0.2]) - 1.0)
        assert np.allclose(values, wanted, atol=0.02)
    assert told[0.0][0] > least[0.0][0] + 0.05
    assert (told[0.1] < least[0.1]).all() and (told[0.1] > 0.5).all()


def test_boxes_have_no_temperature() -> None:
    with pytest.raises(UserError, match=r"agent\.temperature=1: of discrete actions"):
        make(BOX, temperature=1.0)


def test_a_step_of_boxes() -> None:
    agent, rng = make(BOX, samples=4, conservative=3.0), torch.Generator().manual_seed(1)
    obs, following = torch.randn(2, 8, 3, generator=rng)
    action = torch.rand(8, 2, generator=rng) * torch.tensor([4.0, 10.0]) - torch.tensor([2.0, 0.0])
    extra = {"reward": torch.rand(8, generator=rng), "discount": torch.tensor([0.9] * 7 + [0.0])}
    noise = torch_rng(7, "noise")
    agent._generator.set_state(noise.get_state())
    units = torch.stack([action[:, 0] / 2, action[:, 1] / 5 - 1], dim=-1)

    def drawn(shown: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        mean, log_std = agent.policy(agent.policy.prepare({"vector": shown})).unsqueeze(1).chunk(2, dim=-1)
        chosen = torch.tanh(mean + log_std.exp() * torch.empty(len(shown), count, 2).normal_(generator=noise))
        normal = torch.distributions.Normal(mean.double(), log_std.exp().double())
        squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform(cache_size=1))
        return chosen, squashed.log_prob(chosen.double()).sum(dim=-1)

    def valued(network: torch.nn.Module, shown: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        rows = shown.unsqueeze(1).expand(-1, chosen.shape[1], -1).flatten(0, 1)
        return network(network.prepare({"vector": rows}), chosen.flatten(0, 1)).view(chosen.shape[:2])

    with torch.no_grad():
        next_action, _ = drawn(following, 1)
        slow = torch.stack([valued(one, following, next_action)[:, 0] for one in agent.target.average])
        targets = extra["reward"] + extra["discount"] * slow.amin(dim=0)
        uniform = torch.empty(8, 4, 2).uniform_(-1, 1, generator=noise)
        at_next, density_next = drawn(following, 4)
        at_now, density_now = drawn(obs, 4)
    own, log_prob = drawn(obs, 1)
    least = torch.stack([valued(one, obs, own)[:, 0] for one in agent.critics]).amin(dim=0)
    policy_loss = (log_prob[:, 0] - least).mean()  # the temperature is 1 at first
    of_policy = torch.autograd.grad(policy_loss, list(agent.policy.parameters()))
    loss, gaps = torch.zeros(()), []
    for one in agent.critics:
        chosen = valued(one, obs, units.unsqueeze(1))[:, 0]
        scores = [valued(one, obs, uniform) + 2 * np.log(2)]
        scores += [valued(one, obs, at_next) - density_next, valued(one, obs, at_now) - density_now]
        gaps.append((torch.cat(scores, dim=1).logsumexp(dim=1) - chosen).mean())
        loss = loss + (chosen - targets).square().mean() + 3.0 * gaps[-1]
    of_critics = torch.autograd.grad(loss, list(agent.critics.parameters()))

    metrics = agent.learn(Transitions({"vector": obs}, action, extra, {"vector": following}), 0.0)
    assert abs(float(metrics["loss/gap"]) - float(sum(gaps).detach()) / 2) < 1e-4
    assert abs(float(metrics["loss/policy"]) - float(policy_loss.detach())) < 1e-4
    for learned, wanted in ((agent.of_policy, of_policy), (agent.of_critics, of_critics)):
        flat = torch.cat([part.flatten() for part in wanted]).float()
        assert torch.allclose(learned.gradient, flat, atol=1e-4)
