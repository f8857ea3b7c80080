"""What agents share that value states by expectiles, and imitate by advantage: a policy, twin critics, V."""

from __future__ import annotations

from typing import Any

import torch

from rewardlab.agents.offline.actor import Actor
from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.critics import Critics
from rewardlab.maths.offline import advantage_weights, cosine, expectile
from rewardlab.networks.layers import Inputs, Layers, Learned
from rewardlab.types import BuildContext


class ExpectileAgent(OfflineAgent):
    """Kostrikov et al. 2022, Offline reinforcement learning with implicit Q-learning (arXiv:2110.06169).

    Args:
        config: a `NetworkConfig` with expectile, beta and target_rate.
        halved: of the critics' loss, see `Critics`. normed: whether V has layer normalisation.
    """

    stateful = ("policy", "critics", "target", "value", "of_policy", "of_critics", "of_value")
    acts_by = "policy"
    _actor: Actor

    def __init__(self, config: Any, context: BuildContext, *, halved: bool, normed: bool) -> None:
        self.config = config
        self.standardised = config.scale(context)
        self._actor = Actor(config, context, self.standardised, spread=True)
        self.policy, self.stochastic = self._actor.network, self._actor.stochastic
        self._critics = Critics(config, context, self.standardised, self._actor.box, config.target_rate, halved)
        self.critics, self.target = self._critics.networks, self._critics.target
        self.value = Layers(
            config.encoder(context), 1, context.generator, config.hidden, standardised=self.standardised, normed=normed
        ).to(context.device)
        self.of_policy, self.of_critics = self._actor.learned, self._critics.learned
        self.of_value = Learned([self.value], config.learning_rate)
        self._value = self.of_value.passes(self.value)

    def learn_value(self, inputs: Inputs, least: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A gradient step of V towards an expectile of slow values [B]; the loss and V's mean, scalars, and least - V
        before the step, [B].
        """
        value = self._value.forward(inputs).squeeze(-1)
        advantage = least - value
        loss, slope = expectile(advantage, self.config.expectile)
        mean = value.mean()
        self._value.backward(slope.div_(-len(least)).unsqueeze(-1))
        self.of_value.step()
        return loss.mean(), mean, advantage

    def imitate(self, inputs: Inputs, action: torch.Tensor, advantage: torch.Tensor, progress: float) -> torch.Tensor:
        """A gradient step of the policy, its size on half a cosine; the mean loss."""
        self.of_policy.optimiser.learning_rate = self.config.learning_rate * cosine(progress)
        return self._actor.imitate(inputs, action, advantage_weights(advantage, self.config.beta))
