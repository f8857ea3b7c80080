"""Implicit Q-learning: values by expectiles of a data set's own actions, and a policy that imitates by advantage

Paper: Kostrikov et al. 2022, Offline reinforcement learning with implicit Q-learning

No action is valued that the data do not have. The value V(s) goes to an expectile of the least of two target values
Q(s, a); each Q goes to r + gamma V(s'), V read before its step; the policy imitates with the weight min(exp(beta A),
100), A = Q - V. Constants and order are CORL's (Tarasov et al. 2023, arXiv:2210.07105): for AntMaze expectile=0.9
beta=10. The policy's step size falls to 0 along half a cosine.

Discrete actions: Q has an output for each, and the policy is categorical.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.agents.offline.actor import Actor
from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.critics import Critics
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.maths.offline import advantage_weights, cosine, expectile
from rewardlab.networks.layers import Layers, Learned
from rewardlab.schemas import option
from rewardlab.types import ActOutput, BuildContext, StreamSpec, TensorMetrics, TensorObs, Transitions

VERSION = 1


@dataclass
class Config(NetworkConfig):
    expectile: float = option(0.7, "0.5: the mean of what was done; towards 1: the best of it", above=0, maximum=1)
    beta: float = option(3.0, "how much advantages count in imitation", minimum=0)
    target_rate: float = option(0.005, "how far the target critics move at each gradient step", above=0, maximum=1)


class Agent(OfflineAgent):
    """See `learn` for one gradient step of each network, read from top to bottom."""

    metrics = ("loss/value", "loss/critic", "loss/policy", "loss/v_mean", "loss/advantage_mean")
    stateful = ("policy", "critics", "target", "value", "of_policy", "of_critics", "of_value")
    acts_by = "policy"

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        self.config = config
        self.standardised = config.scale(context)
        self._actor = Actor(
            "iql", context, config.encoder(context), config.hidden, self.standardised,
            rate=config.learning_rate, spread=True,
        )  # fmt: skip
        self.policy, self.stochastic = self._actor.network, self._actor.stochastic
        self._critics = Critics(config, context, self.standardised, self._actor.box, config.target_rate, True)
        self.critics, self.target = self._critics.networks, self._critics.target
        self.value = Layers(
            config.encoder(context), 1, context.generator, config.hidden, standardised=self.standardised
        ).to(context.device)
        self.of_policy, self.of_critics = self._actor.learned, self._critics.learned
        self.of_value = Learned([self.value], config.learning_rate)
        self._value = self.of_value.passes(self.value)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        return self._actor.act(obs, state, mode, rng)

    @torch.no_grad()
    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        config, size = self.config, len(batch.action)
        inputs, following = self._value.inputs(batch.obs), self._value.inputs(batch.next_obs)

        then = self._value.predict(following).squeeze(-1)  # before the step of V
        least = self._critics.slow(inputs, batch.action).amin(dim=0)
        value = self._value.forward(inputs).squeeze(-1)
        advantage = least - value
        value_loss, slope = expectile(advantage, config.expectile)
        value_mean = value.mean()
        self._value.backward(slope.div_(-size).unsqueeze(-1))
        self.of_value.step()

        targets = batch.extra["reward"] + batch.extra["discount"] * then
        critic_loss, _ = self._critics.learn(inputs, batch.action, targets)

        self.of_policy.optimiser.learning_rate = config.learning_rate * cosine(progress)
        weight = advantage_weights(advantage, config.beta)
        self._critics.follow()
        policy_loss = self._actor.imitate(inputs, batch.action, weight)
        self._updates += 1
        return {
            "loss/value": value_loss.mean(),
            "loss/critic": critic_loss,
            "loss/policy": policy_loss,
            "loss/v_mean": value_mean,
            "loss/advantage_mean": advantage.mean(),
        }
