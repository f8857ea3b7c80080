"""TD3+BC: twin delayed deep deterministic policy gradients that stay near what a data set did

Paper: Fujimoto and Gu 2021, A minimalist approach to offline reinforcement learning

For boxes. Critics learn the least of two slow values of the slow policy's action, with noise that is cut; every second
gradient step the policy climbs -lambda Q(s, pi(s)) + (pi(s) - a)^2, lambda = alpha / mean |Q|, and the slow copies of
all follow. Constants are CORL's (Tarasov et al. 2023, arXiv:2210.07105).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rewardlab.agents.offline.actor import Actor
from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.critics import Critics
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.errors import UserError
from rewardlab.maths.distributions import normal
from rewardlab.networks.layers import Passes
from rewardlab.parts.models.ema_target import EmaTarget
from rewardlab.schemas import option
from rewardlab.types import BuildContext, StreamSpec, TensorMetrics, Transitions

VERSION = 1


@dataclass
class Config(NetworkConfig):
    alpha: float = option(2.5, "weight of the critic beside imitation", minimum=0)
    policy_noise: float = option(0.2, "spread of the noise on the action that critics learn from; box units", minimum=0)
    noise_clip: float = option(0.5, "it is cut beyond this", minimum=0)
    policy_every: int = option(2, "gradient steps of the critics for each of the policy", above=0)
    target_rate: float = option(0.005, "how far slow copies move when the policy does", above=0, maximum=1)


class Agent(OfflineAgent):
    """See `learn` for one gradient step, read from top to bottom."""

    metrics = ("loss/critic", "loss/policy", "loss/imitation", "loss/q_mean")
    stateful = ("policy", "slow_policy", "critics", "target", "of_policy", "of_critics")
    acts_by = "policy"
    _actor: Actor

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the actions are discrete.
        """
        if context.spec.action.discrete:
            raise UserError(
                f"agent=td3_bc: needs continuous actions, and {context.spec.id} has discrete ones; use agent=iql"
            )
        self.config, self._generator = config, context.generator
        self.standardised = config.scale(context)
        self._actor = Actor(config, context, self.standardised, spread=False)
        assert self._actor.box is not None
        self._box = self._actor.box
        self.policy, self.of_policy = self._actor.network, self._actor.learned
        self.slow_policy = EmaTarget(self.policy, 1.0 - config.target_rate)
        self._slow = Passes(self.slow_policy.average)  # type: ignore[arg-type]
        self._critics = Critics(config, context, self.standardised, self._box, config.target_rate, False)
        self.critics, self.target, self.of_critics = (
            self._critics.networks, self._critics.target, self._critics.learned
        )  # fmt: skip

    @torch.no_grad()
    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        config, passes = self.config, self._actor.passes
        inputs, following = passes.inputs(batch.obs), passes.inputs(batch.next_obs)
        action = self._box.units(batch.action)

        mean = self._slow.predict(following).tanh()
        noise = (config.policy_noise * normal(mean, self._generator)).clamp_(-config.noise_clip, config.noise_clip)
        then = self._critics.slow_of(following, (mean + noise).clamp_(-1.0, 1.0)).amin(dim=0)
        targets = batch.extra["reward"] + batch.extra["discount"] * then
        critic_loss, values = self._critics.learn(inputs, batch.action, targets)
        self._updates += 1
        found = {"loss/critic": critic_loss, "loss/q_mean": values.mean()}

        if self._updates % config.policy_every == 0:
            own = passes.forward(inputs).tanh()
            values, of_action = self._critics.slope(inputs, own)
            trust = config.alpha / values.abs().mean()
            imitation = (own - action).square().mean()
            slope = 2.0 * (own - action) / own.numel() - trust / len(own) * of_action
            passes.backward(slope * (1.0 - own.square()))
            self.of_policy.step()
            self._critics.follow()
            self.slow_policy.follow(self.policy)
            found |= {"loss/policy": imitation - trust * values.mean(), "loss/imitation": imitation}
        return found
