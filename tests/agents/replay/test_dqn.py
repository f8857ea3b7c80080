"""DQN: one gradient step against plain formulas, who acts, what is evaluated, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from rewardlab.agents.replay.dqn import Agent, Config
from rewardlab.config.composition import compose
from rewardlab.records.table import read_columns
from rewardlab.run import run
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.types import MASK, ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec, Transitions

SPEC = EnvSpec("made-up", {"vector": ObsSpec((4,), "float32")}, ActionSpec(n=3), 100)


def make(**options) -> Agent:
    context = BuildContext(SPEC, 4, torch.device("cpu"), torch_rng(0, "a"), numpy_rng(0, "a"), 0.9)
    return Agent(Config(**{"hidden": [16]} | options), context, (StreamSpec("task", 0.9),))


def batch(size: int = 32, **extra: torch.Tensor) -> Transitions:
    rng = torch.Generator().manual_seed(1)
    vectors = torch.randn(2, size, 4, generator=rng)
    action = torch.randint(3, (size,), generator=rng)
    kept = {"reward": 3 * torch.rand(size, generator=rng), "discount": torch.full((size,), 0.9)} | extra
    return Transitions({"vector": vectors[0]}, action, kept, {"vector": vectors[1]})


def plain(agent: Agent, network, vectors: torch.Tensor) -> torch.Tensor:
    """Values [heads, B, 3] by single matrices."""
    found = []
    for head in range(agent.config.heads):
        hidden = functional.relu(vectors @ network.trunk[0].weight[head] + network.trunk[0].bias[head])
        found.append(hidden @ network.advantage[0].weight[head] + network.advantage[0].bias[head])
    return torch.stack(found)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
def test_one_gradient_step_is_by_the_book(double: bool, heads: int) -> None:
    options = {"double": double, "heads": heads, "target_every": 3, "max_grad_norm": 1e9, "huber": 1.0}
    agent, weight = make(**options), torch.rand(32, generator=torch.Generator().manual_seed(2))
    mask = torch.rand(32, heads, generator=torch.Generator().manual_seed(3)) < 0.5
    drawn = batch(weight=weight, mask=mask) if heads > 1 else batch(weight=weight)
    for _ in range(4):  # so that the target network is not the online one
        agent.update_batch(drawn)
    network, target = agent.network, agent.target.average
    before = [parameter.detach().clone() for parameter in network.parameters()]
    online, old = plain(agent, network, drawn.next_obs["vector"]), plain(agent, target, drawn.next_obs["vector"])
    assert not torch.allclose(online, old)
    total, errors = 0.0, []
    for head in range(heads):
        values = plain(agent, network, drawn.obs["vector"])[head]
        for sample in range(32):
            best = int((online if double else old)[head, sample].argmax())
            wanted = drawn.extra["reward"][sample] + 0.9 * old[head, sample, best].detach()
            error = values[sample, drawn.action[sample]] - wanted
            errors.append(abs(float(error.detach())))
            loss = 0.5 * error**2 if abs(error) < 1 else abs(error) - 0.5
            total = total + loss * weight[sample] * (mask[sample, head] if heads > 1 else 1.0) / (32 * heads)
    expected = torch.autograd.grad(total, list(network.parameters()))
    mean, square = agent.optimiser._mean.clone(), agent.optimiser._square.clone()
    metrics, misjudged = agent.update_batch(drawn)
    gradient = torch.cat([part.flatten() for part in expected])
    assert torch.allclose(agent.optimiser._mean, 0.9 * mean + 0.1 * gradient, atol=1e-6)
    assert torch.allclose(agent.optimiser._square, 0.999 * square + 0.001 * gradient**2, atol=1e-7)
    assert float(metrics["loss/td"]) == pytest.approx(float(total.detach()), rel=1e-4)
    assert torch.allclose(misjudged, torch.tensor(errors).view(heads, 32).mean(dim=0), atol=1e-5)
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


@pytest.mark.parametrize("masked", [False, True])
def test_optimism_raises_what_the_best_allowed_actions_are_worth(masked: bool) -> None:
    drawn, plain_agent, agent = batch(), make(max_grad_norm=1e9), make(max_grad_norm=1e9, optimism=0.3)
    values = plain(agent, agent.network, drawn.obs["vector"])[0]
    if masked:  # the best action of all is never allowed
        mask = 1 - functional.one_hot(values.argmax(dim=1), 3)
        drawn.obs[MASK], drawn.next_obs[MASK] = mask.byte(), torch.ones(32, 3, dtype=torch.uint8)
        values = values - 1e6 * (1 - mask)
    expected = torch.autograd.grad(-0.3 * values.max(dim=1).values.mean(), list(agent.network.parameters()))
    for each in (plain_agent, agent):
        each.update_batch(drawn)
    raised = torch.cat([part.flatten() for part in expected])
    assert torch.allclose(agent.optimiser._mean - plain_agent.optimiser._mean, 0.1 * raised, atol=1e-6)


def test_only_demonstrated_steps_are_learned_by_the_margin() -> None:
    marked = torch.arange(32) < 8
    agent = make(demos="somewhere", margin_coef=2.0, margin=0.5, max_grad_norm=1e9)
    drawn = batch(demonstrated=marked)
    values = plain(agent, agent.network, drawn.obs["vector"])[0]
    following = plain(agent, agent.target.average, drawn.next_obs["vector"])[0].detach()
    total = 0.0
    for sample in range(32):
        chosen = values[sample, drawn.action[sample]]
        error = chosen - drawn.extra["reward"][sample] - 0.9 * following[sample].max()  # still the online network's
        total = total + 0.5 * error**2 / 32
        if marked[sample]:
            others = [values[sample, a] + 0.5 * (a != int(drawn.action[sample])) for a in range(3)]
            total = total + 2.0 * (max(others) - chosen) / 32
    expected = torch.autograd.grad(total, list(agent.network.parameters()))
    metrics, _ = agent.update_batch(drawn)
    gradient = torch.cat([part.flatten() for part in expected])
    assert torch.allclose(agent.optimiser._mean, 0.1 * gradient, atol=1e-6)
    assert float(metrics["loss/margin"]) > 0
    assert set(metrics) == set(agent.metrics)


def test_the_target_network_follows_as_told() -> None:
    agent = make(target_every=2)
    moved = []
    for _ in range(4):
        before = agent.target.average.trunk[0].weight.clone()
        agent.update_batch(batch())
        moved.append(not torch.equal(before, agent.target.average.trunk[0].weight))
    assert moved == [False, True, False, True]
    assert torch.equal(agent.target.average.trunk[0].weight, agent.network.trunk[0].weight)
    polyak = make(target_every=1, target_rate=0.1)
    before = polyak.target.average.trunk[0].weight.clone()
    polyak.update_batch(batch())
    expected = 0.9 * before + 0.1 * polyak.network.trunk[0].weight
    assert torch.allclose(polyak.target.average.trunk[0].weight, expected, atol=1e-7)


def acts(agent: Agent, mode: str, state=None, first=None, seed: int = 0):
    vectors = torch.randn(2000, 4, generator=torch.Generator().manual_seed(5))
    first = torch.zeros(2000, dtype=torch.bool) if first is None else first
    return agent.act({"vector": vectors}, state, first, mode, torch_rng(seed, "act"))


@pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (0.15, 0.525), (0.3, 0.05), (1.0, 0.05)])
def test_epsilon_falls_over_the_budget(progress: float, share: float) -> None:
    agent = make()
    agent.progress = progress
    greedy = acts(agent, "greedy").action
    explored = (acts(agent, "explore").action != greedy).float().mean()
    assert float(explored) == pytest.approx(share * 2 / 3, abs=0.04)  # a random action is the greedy one in 3
    assert torch.equal(acts(agent, "sample").action, greedy)
    assert float((acts(make(eval_epsilon=0.3), "sample").action != greedy).float().mean()) == pytest.approx(
        0.2, abs=0.04
    )
    assert torch.equal(acts(make(eval_epsilon=0.3), "greedy").action, greedy)


def test_soft_actions_are_drawn_by_their_values_in_evaluation_too() -> None:
    agent = make(temperature=0.5)
    vectors = torch.randn(1, 4, generator=torch.Generator().manual_seed(5)).expand(20_000, 4)
    values = plain(agent, agent.network, vectors[:1])[0, 0].detach().numpy()
    expected = np.exp(values / 0.5) / np.exp(values / 0.5).sum()
    nothing = torch.zeros(20_000, dtype=torch.bool)
    for mode in ("explore", "sample"):
        drawn = agent.act({"vector": vectors}, None, nothing, mode, torch_rng(1, "act")).action
        assert np.bincount(drawn.numpy(), minlength=3) / 20_000 == pytest.approx(expected, abs=0.015)
    greedy = agent.act({"vector": vectors}, None, nothing, "greedy", torch_rng(1, "act")).action
    assert (greedy == values.argmax()).all()


def test_one_head_acts_throughout_an_episode() -> None:
    agent = make(heads=5, prior_scale=3.0)
    first = torch.ones(2000, dtype=torch.bool)
    begun = acts(agent, "explore", agent.initial_state(2000), first)
    assert np.bincount(begun.state.numpy(), minlength=5) == pytest.approx(np.full(5, 400), abs=80)
    network = agent.network
    vectors = torch.randn(2000, 4, generator=torch.Generator().manual_seed(5))
    values = network(network.prepare({"vector": vectors}))
    expected = values[begun.state, torch.arange(2000)].argmax(dim=-1)
    assert torch.equal(begun.action, expected)
    first[:1000] = False
    going_on = acts(agent, "explore", begun.state, first, seed=9)
    assert torch.equal(going_on.state[:1000], begun.state[:1000])
    assert not torch.equal(going_on.state[1000:], begun.state[1000:])
    evaluated = acts(agent, "sample", begun.state, first, seed=9)
    assert torch.equal(evaluated.state, begun.state)
    votes = np.stack([np.bincount(column, minlength=3) for column in values.argmax(dim=-1).t().numpy()])
    assert (votes[np.arange(2000), evaluated.action.numpy()] == votes.max(axis=1)).all()


def test_noise_explores_and_is_off_in_evaluation() -> None:
    agent = make(noisy=True)
    assert not torch.equal(acts(agent, "explore", seed=1).action, acts(agent, "explore", seed=2).action)
    assert torch.equal(acts(agent, "sample", seed=1).action, acts(agent, "sample", seed=2).action)


def test_masks_are_as_likely_as_told() -> None:
    mask = make(heads=4, mask_probability=0.25).columns(5000)["mask"]
    assert mask.shape == (5000, 4) and mask.dtype == torch.bool
    assert float(mask.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert make(heads=4).columns(10) == {}


@pytest.mark.parametrize("options", [[], ["agent.prioritised=true", "agent.dueling=true"]])
def test_an_empty_room_is_solved(options: list[str], tmp_path: Path) -> None:
    """A random walk succeeds in a fifth of its episodes; the best return is 0.955."""
    tiny = ["env=empty_5x5", "agent=dqn", "num_envs=16", "frames=16_000", "eval.episodes=20", "eval.every=4000"]
    prepared = compose([*tiny, *options, "agent.learning_rate=1e-3", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    assert max(read_columns(prepared.folder / "eval.csv")["return_mean"]) > 0.9
