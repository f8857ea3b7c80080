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

from rewardlab.agents.offline.expectile import ExpectileAgent
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.schemas import option
from rewardlab.types import BuildContext, StreamSpec, TensorMetrics, Transitions

VERSION = 1


@dataclass
class Config(NetworkConfig):
    expectile: float = option(0.7, "0.5: the mean of what was done; towards 1: the best of it", above=0, maximum=1)
    beta: float = option(3.0, "how much advantages count in imitation", minimum=0)
    target_rate: float = option(0.005, "how far the target critics move at each gradient step", above=0, maximum=1)


class Agent(ExpectileAgent):
    """See `learn` for one gradient step of each network, read from top to bottom."""

    metrics = ("loss/value", "loss/critic", "loss/policy", "loss/v_mean", "loss/advantage_mean")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, halved=True, normed=False)

    @torch.no_grad()
    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        inputs, following = self._value.inputs(batch.obs), self._value.inputs(batch.next_obs)

        then = self._value.predict(following).squeeze(-1)  # before the step of V
        least = self._critics.slow(inputs, batch.action).amin(dim=0)
        value_loss, value_mean, advantage = self.learn_value(inputs, least)

        targets = batch.extra["reward"] + batch.extra["discount"] * then
        critic_loss, _ = self._critics.learn(inputs, batch.action, targets)
        self._critics.follow()

        policy_loss = self.imitate(inputs, batch.action, advantage, progress)
        self._updates += 1
        return {
            "loss/value": value_loss,
            "loss/critic": critic_loss,
            "loss/policy": policy_loss,
            "loss/v_mean": value_mean,
            "loss/advantage_mean": advantage.mean(),
        }
