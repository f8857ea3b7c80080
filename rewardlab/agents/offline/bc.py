"""Behaviour cloning of a data set: do what was done there, whatever it led to

Paper: Pomerleau 1988, ALVINN: an autonomous land vehicle in a neural network

Discrete actions: the negative log-probability of what was done. Boxes: the squared error of tanh of a network, as the
bc of CORL (Tarasov et al. 2023, arXiv:2210.07105). With best=0.1 it clones the tenth of the episodes that return most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.agents.offline.actor import Actor
from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.datasets.steps import StoredSteps
from rewardlab.errors import UserError
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, StreamSpec, TensorMetrics, Transitions

VERSION = 1


@dataclass
class Config(NetworkConfig):
    best: float = option(1.0, "the share of the episodes that is cloned: those that return most", above=0, maximum=1)


class Agent(OfflineAgent):
    """Reads no reward but to rank episodes by."""

    metrics = ("loss/policy",)
    stateful = ("network", "learned")
    acts_by = "network"
    _actor: Actor

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: something but the task pays.
        """
        if len(streams) > 1:
            raise UserError("agent=bc: imitates whatever is paid; use reward=none")
        self.config = config
        self.standardised = config.scale(context)
        self._actor = Actor(config, context, self.standardised, spread=False)
        self.network, self.learned = self._actor.network, self._actor.learned
        self.stochastic = self._actor.stochastic
        self._among: tuple[StoredSteps, Array] | None = None  # the data set, and its steps that are cloned

    def draw(self, data: StoredSteps, size: int, rng: np.random.Generator) -> Transitions:
        if self.config.best == 1.0:
            return data.sample(size, rng)
        if self._among is None or self._among[0] is not data:
            self._among = data, steps_of_best(data, self.config.best)
        return data.at(rng.choice(self._among[1], size))

    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        actor = self._actor
        loss = actor.imitate(actor.passes.inputs(batch.obs), batch.action)
        self._updates += 1
        return {"loss/policy": loss}


def steps_of_best(data: StoredSteps, share: float) -> Array:
    """The steps of that share of the episodes, one at least, that return most; of equals, the first."""
    count = max(1, round(share * len(data.returns)))
    best = np.sort(np.argsort(-data.returns, kind="stable")[:count])
    return np.concatenate([np.arange(data.starts[e], data.starts[e + 1]) for e in best])
