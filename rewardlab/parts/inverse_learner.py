"""An encoder that learns by inverse dynamics alone, with an optimiser of its own."""

import torch
from torch import nn

from rewardlab.parts.inverse_model import InverseModel
from rewardlab.parts.minibatches import minibatches
from rewardlab.parts.state import load_state, state_of
from rewardlab.types import BuildContext, Rollout, State


class InverseLearner:
    """Trains an `InverseModel` on rollouts. Every transition counts: the true successors are known."""

    def __init__(self, context: BuildContext, hidden: int, features: int, learning_rate: float) -> None:
        self._generator = context.generator
        self.model = InverseModel(context.spec, hidden, features, context.generator).to(context.device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=learning_rate, fused=True)

    @property
    def encoder(self) -> nn.Module:
        """Observations [..., *obs] -> features [..., D]."""
        return self.model.encoder

    def update(self, rollout: Rollout, epochs: int, batch_size: int) -> float:
        """Some passes over a rollout in shuffled minibatches; returns the mean loss."""
        model = self.model
        obs, next_obs = model.encoder.flat(rollout.obs), model.encoder.flat(rollout.next_obs)
        both, action = torch.stack([obs.flatten(0, 1), next_obs.flatten(0, 1)]), rollout.action.flatten(0, 1)
        losses = []
        for index in minibatches(len(action), batch_size, epochs, self._generator):
            features, next_features = model.encoder.layers(both[:, index])
            loss = model.loss(features, next_features, action[index])
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def state_dict(self) -> State:
        return state_of({"model": self.model, "optimiser": self.optimiser})

    def load_state_dict(self, state: State) -> None:
        load_state({"model": self.model, "optimiser": self.optimiser}, state)
