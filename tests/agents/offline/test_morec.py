"""MOREC on a pendulum: likelier steps are truer ones, rollouts stay bounded, and a gradient step is SAC's."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rewardlab.agents.offline.morec import Agent, Config
from rewardlab.datasets.steps import StoredSteps
from rewardlab.errors import UserError
from rewardlab.seeding import numpy_rng, torch_rng
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec

EPISODES, LENGTH = 20, 150
BOX = ActionSpec(shape=(1,), low=(-2.0,), high=(2.0,))
SMALL = {"hidden": [16], "model_hidden": [48, 48], "reward_hidden": [48, 48], "model_steps": 200}
SMALL |= {"reward_rounds": 50, "reward_rate": 1e-3}


def swings(state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    """Gymnasium's pendulum, of cosine, sine and speed."""
    angle, speed = torch.atan2(state[:, 1], state[:, 0]), state[:, 2]
    speed = (speed + 0.05 * (15 * angle.sin() + 3 * action[:, 0])).clamp(-8, 8)
    angle = angle + 0.05 * speed
    return torch.stack([angle.cos(), angle.sin(), speed], dim=-1)


def recorded() -> StoredSteps:
    rng = torch.Generator().manual_seed(1)
    angle, speed = (2 * torch.rand(2, EPISODES, generator=rng) - 1) * torch.tensor([[math.pi], [1.0]])
    seen, done = [torch.stack([angle.cos(), angle.sin(), speed], dim=-1)], []
    for _ in range(LENGTH):
        done.append(4 * torch.rand(EPISODES, 1, generator=rng) - 2)
        seen.append(swings(seen[-1], done[-1]))
    states, actions = torch.stack(seen, dim=1), torch.stack(done, dim=1).flatten(0, 1)
    reward = states[:, :-1, 0].flatten()
    starts = np.arange(EPISODES + 1) * LENGTH
    ends = torch.zeros(len(reward), dtype=torch.bool)
    return StoredSteps({"vector": states.flatten(0, 1)}, actions, reward, ends, starts, 0.99)


def make(action: ActionSpec = BOX, shown: str = "vector", **options) -> Agent:
    spec = EnvSpec("made-up", {shown: ObsSpec((3,), "float32")}, action, LENGTH)
    context = BuildContext(spec, 1, torch.device("cpu"), torch_rng(0, "a"), numpy_rng(0, "a"), 0.99)
    return Agent(Config(**SMALL | options), context, (StreamSpec("task", 0.99),))


@pytest.fixture(scope="module")
def data() -> StoredSteps:
    return recorded()


@pytest.fixture(scope="module")
def agent(data: StoredSteps) -> Agent:
    made = make(rollout_batch=32, penalty=0.5, batch_size=128)
    made.begin(data)
    return made


def test_likelier_steps_are_truer(agent: Agent, data: StoredSteps) -> None:
    batch = data.sample(1500, np.random.default_rng(3))
    state, units = batch.obs["vector"], batch.action / 2
    error = {}
    for choose in ("argmax", "softmax", "uniform"):
        agent.config = replace(agent.config, choose="softmax" if choose == "uniform" else choose)
        likely = agent.likely
        agent.likely = None if choose == "uniform" else likely
        change, reward, over = agent.follow(state, units)
        agent.likely = likely
        error[choose] = float((state + change - batch.next_obs["vector"]).norm(dim=-1).mean())
        assert float(over.float().mean()) < 0.2
        assert float((reward - state[:, 0]).mean()) < 0  # the penalty
    agent.config = replace(agent.config, choose="argmax")
    assert error["argmax"] < 0.9 * error["uniform"]
    assert error["softmax"] < error["uniform"]
    wrong = agent.likely(state, units, batch.next_obs["vector"] - state + torch.tensor([0.3, -0.3, 2.0]))
    true = agent.likely(state, units, batch.next_obs["vector"] - state)
    assert float((wrong < 0.6).float().mean()) > 0.8 and float((true > 0.6).float().mean()) > 0.8


def test_rollouts_stay_bounded_and_stop(agent: Agent, data: StoredSteps) -> None:
    agent.roll(data, np.random.default_rng(4))
    steps = agent.played.at(np.arange(len(agent.played)))
    assert 32 * 10 < len(agent.played) <= 32 * 100
    goes_on = steps.extra["discount"] > 0
    assert (steps.next_obs["vector"][goes_on].abs() < torch.tensor([1.5, 1.5, 12.0])).all()
    assert (steps.action.abs() <= 2).all()
    # A step is the last where it is less likely than least_reward, and nowhere else.
    here = steps.obs["vector"]
    likely = agent.likely(here, steps.action / 2, steps.next_obs["vector"] - here)
    sure = (likely - 0.6).abs() > 1e-4
    assert torch.equal((likely < 0.6)[sure], (steps.extra["discount"] == 0)[sure])
    metrics = agent.learn(agent.draw(data, 64, np.random.default_rng(5)), 0.0)
    assert set(metrics) == set(agent.metrics) and all(math.isfinite(float(value)) for value in metrics.values())


def test_what_is_refused() -> None:
    with pytest.raises(UserError, match="agent=morec: needs continuous actions"):
        make(ActionSpec(n=2))
    with pytest.raises(UserError, match="models one vector, and made-up shows cell"):
        make(shown="cell")
    with pytest.raises(ValueError, match="elites=9: more than members=7"):
        Config(elites=9).validate()
