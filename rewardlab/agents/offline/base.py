"""What agents that learn from a data set alone have in common: `training/learning/offline.py` hands them its steps."""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.agents.offline.actor import Actor
from rewardlab.agents.offline.squashed_actor import SquashedActor
from rewardlab.datasets.steps import StoredSteps
from rewardlab.networks.standardised import Standardised
from rewardlab.types import ActOutput, TensorMetrics, TensorObs, Transitions


class OfflineAgent(BaseAgent):
    """One gradient step at a time. Nothing of the data is the agent's: it is handed in each time.

    Attributes:
        standardised: what observations are scaled by, `networks.standardised`, which travels with the policy; or None.
    """

    learns_from = "offline"
    assumes = frozenset({"offline"})
    standardised: Standardised | None = None
    rollout_steps = 1  # nothing is played
    _actor: Actor | SquashedActor  # its policy

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        return self._actor.act(obs, state, mode, rng)

    def observe(self, obs: TensorObs) -> None:
        if self.standardised is not None:
            self.standardised.add(obs)

    def begin(self, data: StoredSteps) -> None:
        """Take in what all of the data say, before the first gradient step: by default the scale of observations."""
        for obs in data.acted_on():
            self.observe(obs)

    def draw(self, data: StoredSteps, size: int, rng: np.random.Generator) -> Transitions:
        """A minibatch for `learn`, by default uniform; `rng` is saved with the run."""
        return data.sample(size, rng)

    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        """A gradient step: scalars by the names in `metrics`. `progress` in [0, 1] is the share of steps done."""
        raise NotImplementedError
