"""The floor: uniform, learning nothing, and refusing what only a learner could use."""

import math

import numpy as np
import pytest
import torch
from one_step import one_step

from rewardlab.agents.random import Agent, Config
from rewardlab.errors import UserError
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, StreamSpec

TASK = StreamSpec("task", 0.99)


def build(action, streams=(TASK,)):
    spec = EnvSpec("Any", {"vector": ObsSpec((1,), "float32")}, action, None)
    context = BuildContext(
        spec, 1, torch.device("cpu"), torch.Generator().manual_seed(0), np.random.default_rng(0), gamma=0.99
    )
    return Agent(Config(), context, streams)


def act(agent, count=50_000, mode="sample", seed=0):
    obs, first = {"vector": torch.zeros(count, 1)}, torch.zeros(count).bool()
    return agent.act(obs, None, first, mode, torch.Generator().manual_seed(seed)).action


def assess(agent, action):
    """Of one step by as many environments as there are actions."""
    return agent.assess(one_step({"vector": torch.zeros(len(action), 1)}, action))


@pytest.mark.parametrize("mode", ["sample", "greedy"])
def test_discrete_actions_are_uniform(mode):
    agent = build(ActionSpec(n=5))
    action = act(agent, mode=mode)
    torch.testing.assert_close(action.bincount(minlength=5) / 50_000, torch.full((5,), 0.2), atol=0.01, rtol=0)
    assessment = assess(agent, action)
    torch.testing.assert_close(assessment.log_prob, torch.full((1, 50_000), -math.log(5)))
    assert assessment.values.shape == (2, 50_000, 1)


def test_bounded_boxes_are_uniform_and_others_normal():
    agent = build(ActionSpec(shape=(2,), low=(-3.0, -math.inf), high=(1.0, math.inf)))
    action = act(agent)
    bounded, free = action.unbind(-1)
    assert bounded.min() >= -3.0
    assert bounded.max() <= 1.0
    torch.testing.assert_close(
        bounded.quantile(torch.tensor([0.25, 0.5, 0.75])), torch.tensor([-2.0, -1, 0]), atol=0.05, rtol=0
    )
    assert free.mean().item() == pytest.approx(0.0, abs=0.02)
    assert free.std().item() == pytest.approx(1.0, abs=0.02)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(free) - math.log(4)
    assessment = assess(agent, action)
    torch.testing.assert_close(assessment.log_prob[0], expected)
    torch.testing.assert_close(assessment.dist["mean"][0, 0], torch.tensor([-1.0, 0.0]))
    torch.testing.assert_close(assessment.dist["log_std"][0, 0].exp(), torch.tensor([4 / math.sqrt(12), 1.0]))


def test_the_generator_decides():
    agent = build(ActionSpec(n=5))
    assert torch.equal(act(agent, seed=1), act(agent, seed=1))
    assert not torch.equal(act(agent, seed=1), act(agent, seed=2))


def test_bonus_streams_are_refused():
    with pytest.raises(UserError, match="agent=random learns nothing: use reward=none"):
        build(ActionSpec(n=5), (TASK, StreamSpec("bonus", 0.99)))
