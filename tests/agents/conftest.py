"""Worlds small enough to be learnt in seconds, and the loop that learns them."""

import numpy as np
import pytest
import torch

from rewardlab.agents.on_policy.ppo import Agent, Config
from rewardlab.seeding import env_seeds, numpy_rng, torch_rng
from rewardlab.training.collect import Collector
from rewardlab.training.learning.on_policy import assess
from rewardlab.types import ActionSpec, BuildContext, EnvSpec, ObsSpec, Signals, StepBatch, StreamSpec

CHOICES = 4


class Identity:
    """The observation names the action that pays 1; every episode is cut off after 8 steps.

    `shown` is how the name is told: as a vector, the place of an object in a view, words of a mission, or the
    quarter of a picture in which a square lies.
    """

    episode = 8

    def __init__(self, num_envs, shown="vector"):
        self.num_envs, self.shown = num_envs, shown
        entries = {
            "vector": ObsSpec((CHOICES,), "float32"),
            "image": ObsSpec((7, 7, 3), "uint8", 10),
            "mission": ObsSpec((3,), "int64", 9),
            "picture": ObsSpec((42, 42, 1), "uint8", 255),
        }
        entry = "image" if shown == "picture" else shown
        self.spec = EnvSpec("Identity", {entry: entries[shown]}, self.actions(), self.episode)

    def actions(self):
        return ActionSpec(n=CHOICES)

    def reset(self, seeds):
        self.rng = np.random.default_rng(seeds)
        self.steps = np.arange(self.num_envs) % self.episode  # out of step with one another
        self.draw()
        return self.show()

    def step(self, action):
        reward = self.judge(action).astype(np.float32)
        self.steps += 1
        self.draw()
        done = self.steps == self.episode
        self.steps[done] = 0
        no = np.zeros(self.num_envs, dtype=bool)
        return StepBatch(self.show(), self.show(), reward, no, done, no)

    def draw(self):
        self.wanted = self.rng.integers(CHOICES, size=self.num_envs)

    def judge(self, action):
        return action == self.wanted

    def show(self):
        if self.shown == "vector":
            return {"vector": np.eye(CHOICES, dtype=np.float32)[self.wanted]}
        if self.shown == "mission":
            return {
                "mission": np.stack([np.full(self.num_envs, 9), self.wanted + 1, np.zeros_like(self.wanted)], axis=1)
            }
        if self.shown == "picture":
            image = np.zeros((self.num_envs, 42, 42, 1), dtype=np.uint8)
            corners = self.rng.integers(14, size=(self.num_envs, 2)) + 21 * np.stack(divmod(self.wanted, 2), axis=1)
            for picture, (top, left) in zip(image, corners, strict=True):
                picture[top : top + 8, left : left + 8] = 200
            return {"image": image}
        image = np.zeros((self.num_envs, 7, 7, 3), dtype=np.uint8)
        image[np.arange(self.num_envs), 3, self.wanted, 0] = 8
        return {"image": image}

    def privileged(self):
        return {}

    def close(self):
        pass


class ContinuousIdentity(Identity):
    """The action that pays most is the observation itself, two numbers within [-1, 1]."""

    def actions(self):
        return ActionSpec(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0))

    def draw(self):
        self.wanted = self.rng.uniform(-1, 1, size=(self.num_envs, 2)).astype(np.float32)

    def judge(self, action):
        return -np.square(np.clip(action, -1, 1) - self.wanted).sum(axis=1)

    def show(self):
        return {"vector": np.concatenate([self.wanted, np.zeros_like(self.wanted)], axis=1)}


class Recall(Identity):
    """The name is shown at the first step of two and pays at the second: without memory it is a guess."""

    episode = 2

    def draw(self):
        if not hasattr(self, "wanted"):
            self.wanted = np.zeros(self.num_envs, dtype=np.int64)
        fresh = self.steps % self.episode == 0
        self.wanted = np.where(fresh, self.rng.integers(CHOICES, size=self.num_envs), self.wanted)

    def judge(self, action):
        return (action == self.wanted) & (self.steps == 1)

    def show(self):
        blank = (self.steps % self.episode == 1)[:, None]
        return {"vector": np.where(blank, 0, np.eye(CHOICES, dtype=np.float32)[self.wanted]).astype(np.float32)}


TASK = (StreamSpec("task", 0.99),)


class Learning:
    """An agent in a world, stepped through rollouts."""

    def __init__(self, env, seed=0, specs=TASK, **options):
        options = {"rollout_steps": 16, "minibatch_size": 64, "hidden": [32]} | options
        self.context = BuildContext(
            env.spec, env.num_envs, torch.device("cpu"), torch_rng(seed, "agent"), numpy_rng(seed, "agent"), 0.99
        )
        self.config = Config(**options)
        self.agent = Agent(self.config, self.context, specs)
        self.rng = torch_rng(seed, "act")
        self.collector = Collector(
            env,
            self.agent,
            env_seeds(seed, "envs", env.num_envs),
            self.agent.rollout_steps,
            torch.device("cpu"),
        )

    def collect(self, steps=None):
        rollout = self.collector.collect(steps or self.agent.rollout_steps, self.rng)
        assess(self.agent, rollout)
        return rollout

    def learn(self, rollouts):
        """Mean task reward per step over the last tenth of the rollouts."""
        means = []
        for _ in range(rollouts):
            rollout = self.collect()
            self.agent.update(rollout, Signals({"task": rollout.task_reward}), 0.0)
            means.append(float(rollout.task_reward.mean()))
        return float(np.mean(means[-max(1, rollouts // 10) :]))


@pytest.fixture
def worlds():
    return {"identity": Identity, "continuous": ContinuousIdentity, "recall": Recall}


@pytest.fixture
def learning():
    return Learning
