"""What teachers pay on bandits: by hand, and on the learner's own history."""

import numpy as np
import pytest
import torch

from rewardlab.config.composition import compose
from rewardlab.envs.bandits import bandit
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths import bandits
from rewardlab.training.build import build
from rewardlab.training.collect import Collector


def paid(variant: str, *overrides: str):
    config = compose(
        ["env=bandit", "env.steps=20", "agent=random", "reward=teacher", f"reward.variant={variant}", "num_envs=8",
         "agent.rollout_steps=40", *overrides]
    ).config  # fmt: skip
    parts = build(config)
    collector = Collector(parts.env, parts.agent, list(range(8)), 40, torch.device("cpu"))
    rollout = collector.collect(40, torch.Generator().manual_seed(0))
    return rollout, parts.scheme.compute(rollout).streams["task"]


def test_strategic_pay_is_one_less_the_share_of_the_largest_gap():
    rollout, pay = paid("strategic", "env.means=[0.9,0.6,0.1]")
    gap = rollout.privileged["gap"].numpy()
    np.testing.assert_allclose(pay.numpy(), 1.0 - gap / 0.8, rtol=1e-6)
    assert set(np.round(np.unique(pay.numpy()), 3)) == {0.0, 0.625, 1.0}


def test_where_all_arms_are_alike_every_pull_is_best():
    assert bool((paid("strategic", "env.means=[0.5,0.5]")[1] == 1.0).all())


def test_the_teacher_goes_by_what_the_learner_did_and_saw():
    """The arm that `agent=bandit rule=ucb1 c=.5` pulls with the same memory."""
    rollout, pay = paid("algorithmic")
    arms = 5
    for i in range(8):
        row = np.zeros((1, bandits.row_size(arms)))
        for t in range(40):
            first = rollout.first[t, i].numpy().reshape(1)
            before = rollout.obs["vector"][t, i].numpy()
            arm, reward = before[:arms].argmax().reshape(1), before[arms:].astype(np.float64)
            pulled = bandits.act(row, first, np.zeros(1), arm, reward, bandits.UCB1, 0.5, 20.0, True, 0.0, 1.0)
            assert pay[t, i] == float(rollout.action[t, i] == pulled[0])


def test_the_task_itself_and_refusals():
    rollout, pay = paid("task")
    assert torch.equal(pay, rollout.task_reward)
    env = bandit.make(bandit.Config(k=3), Levels(2), ("max_gap", "teacher"))
    env.reset([0, 1])
    first = env.step(np.array([2, 1])).privileged
    assert first["teacher"].tolist() == [0, 0]  # arms that were never pulled, in order
    means = env.arrays["means"]
    np.testing.assert_allclose(first["max_gap"], means.max(axis=1) - means.min(axis=1))
    with pytest.raises(UserError, match="gap"):
        build(compose(["env=empty_5x5", "agent=ppo", "reward=teacher", "num_envs=2"]).config)
