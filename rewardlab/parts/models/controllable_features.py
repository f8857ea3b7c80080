"""Features that an inverse model alone shapes: they hold what the agent's actions change."""

import torch

from rewardlab.networks.adam import Adam
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.models.dynamics import Dynamics
from rewardlab.parts.models.inverse_model import InverseModel
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import BuildContext, Rollout, State, TensorObs


class ControllableFeatures:
    """An inverse model (Pathak et al. 2017, eq. 3) with its Adam; see there."""

    def __init__(
        self, context: BuildContext, *, hidden: int, features: int, learning_rate: float, glyphs: bool = False
    ) -> None:
        self._context = context
        self.inverse = InverseModel(context.spec, hidden, features, context.generator, glyphs).to(context.device)
        self.optimiser = Adam(self.inverse.parameters(), learning_rate)
        self._dynamics = Dynamics(self.inverse, None, self.optimiser)

    def __call__(self, obs: TensorObs) -> torch.Tensor:
        """Observations [..., *shape] -> [..., features]."""
        return self._dynamics.encode(obs)

    def learn(self, rollout: Rollout, *, epochs: int, batch_size: int) -> float:
        """Learn which actions led where; the mean loss. Every step counts: its true successor is known."""
        count = rollout.task_reward.numel()
        return self._dynamics.learn(rollout, minibatches(count, batch_size, epochs, self._context.generator))[0]

    def state_dict(self) -> State:
        return state_of({"inverse": self.inverse, "optimiser": self.optimiser})

    def load_state_dict(self, state: State) -> None:
        load_state({"inverse": self.inverse, "optimiser": self.optimiser}, state)
