"""Goal-conditioned supervised learning: what was done on the way to a place is how to get there

Paper: Ghosh et al. 2021, Learning to reach goals via iterated supervised learning
Assumes: an environment with goals

Of each step the goal is what was achieved at a uniformly drawn later step of its episode, and the policy imitates the
action: its negative log-probability, and for boxes the squared error as agent=bc. The paper plays anew with what it
learned; here the data set stays. No reward is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.agents.offline.actor import Actor
from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.goals import GoalConfig, check_goals, later, with_goals
from rewardlab.datasets.steps import StoredSteps
from rewardlab.types import BuildContext, StreamSpec, TensorMetrics, Transitions

VERSION = 1


@dataclass
class Config(GoalConfig):
    pass


class Agent(OfflineAgent):
    metrics = ("loss/policy",)
    stateful = ("network", "learned")
    acts_by = "network"
    _actor: Actor

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the world has no goals, or something but the task pays.
        """
        check_goals("gcsl", context, streams)
        self.standardised = config.scale(context)
        self._actor = Actor(config, context, self.standardised, spread=False)
        self.network, self.learned = self._actor.network, self._actor.learned
        self.stochastic = self._actor.stochastic

    def draw(self, data: StoredSteps, size: int, rng: np.random.Generator) -> Transitions:
        steps = rng.integers(len(data), size=size)
        return with_goals(data, steps, later(data, steps, rng))

    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        loss = self._actor.imitate(self._actor.passes.inputs(batch.obs), batch.action)
        self._updates += 1
        return {"loss/policy": loss}
