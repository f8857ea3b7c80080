"""Features that an inverse model alone shapes: they hold what the agent's actions change."""

import torch

from rewardlab.parts.inverse_model import InverseModel
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import BuildContext, Rollout, State, TensorObs


class ControllableFeatures:
    """An inverse model (Pathak et al. 2017, eq. 3) with its Adam."""

    def __init__(self, context: BuildContext, *, hidden: int, features: int, learning_rate: float) -> None:
        self._context = context
        self.inverse = InverseModel(context.spec, hidden, features, context.generator).to(context.device)
        self.optimiser = torch.optim.Adam(self.inverse.parameters(), lr=learning_rate, fused=True)

    def __call__(self, obs: TensorObs) -> torch.Tensor:
        """Observations [..., *shape] -> [..., features]."""
        features: torch.Tensor = self.inverse.encoder(obs)
        return features

    def learn(self, rollout: Rollout, *, epochs: int, batch_size: int) -> float:
        """Learn which actions led where; the mean loss. Every step counts: its true successor is known."""
        encoder = self.inverse.encoder
        obs, next_obs = encoder.flat(rollout.obs).flatten(0, 1), encoder.flat(rollout.next_obs).flatten(0, 1)
        action, losses = rollout.action.flatten(0, 1), []
        for index in minibatches(len(obs), batch_size, epochs, self._context.generator):
            features, next_features = encoder.layers(torch.stack([obs[index], next_obs[index]]))
            loss = self.inverse.loss(features, next_features, action[index])
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def state_dict(self) -> State:
        return state_of({"inverse": self.inverse, "optimiser": self.optimiser})

    def load_state_dict(self, state: State) -> None:
        load_state({"inverse": self.inverse, "optimiser": self.optimiser}, state)
