"""MOREC: a policy learned in a model of the world whose steps are chosen by how likely the true world makes them

Paper: Luo et al. 2024, Reward-consistent dynamics models are strongly generalizable for offline reinforcement learning

For boxes, and observations of one vector. Before the first gradient step, and not counted as frames, an ensemble learns
what steps lead to and pay, and a discriminator against a model of its own what is likely: `parts/models/
dynamics_reward.py`, whose learning the authors did not publish. Every `rollout_every` gradient steps the policy is
played in the ensemble from recorded states on: of `samples` draws of each elite the likeliest is the next state
(choose=argmax; or softmax of r_D / 0.1). Where even that is less likely than `least_reward`, or the model says that the
task ends, the step is kept as the last. What a step pays is less by `penalty` times the largest norm of the elites'
standard deviations. The policy is soft actor-critic's, on minibatches of which `real_share` is recorded.

choose=uniform is the base, MOPO (Yu et al. 2020, arXiv:2005.13239): no discriminator, no stop but at `rollout_length`,
which is then to be short, such as 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.critics import Critics
from rewardlab.agents.offline.options import NetworkConfig
from rewardlab.agents.offline.squashed_actor import SquashedActor
from rewardlab.agents.reading import check_widths
from rewardlab.datasets.steps import StoredSteps
from rewardlab.errors import UserError
from rewardlab.maths.distributions import normal
from rewardlab.networks.adam import Adam
from rewardlab.networks.flat import UNREAD
from rewardlab.parts.buffers.replay import Replay, joined
from rewardlab.parts.models.dynamics_ensemble import DynamicsEnsemble, Steps
from rewardlab.parts.models.dynamics_reward import DynamicsReward
from rewardlab.schemas import option
from rewardlab.types import BuildContext, StreamSpec, TensorMetrics, Transitions

VERSION = 1
_SHARPNESS = 10.0  # of softmax
_VECTOR = "vector"


@dataclass
class Config(NetworkConfig):
    policy_rate: float = option(1e-4, "Adam's step size, of policy and temperature", above=0)
    target_rate: float = option(0.005, "how far the target critics move at each gradient step", above=0, maximum=1)
    choose: str = option(
        "argmax",
        "next states by how likely they are: the most, or by softmax; uniform: not so",
        choices=("argmax", "softmax", "uniform"),
    )
    samples: int = option(2, "next states drawn of each elite", above=0, maximum=1000)
    least_reward: float = option(0.6, "a rollout stops where r_D is less", minimum=0)
    penalty: float = option(1.0, "by how much a step pays less for the models' spread", minimum=0)
    rollout_length: int = option(100, "steps of a rollout, at most", above=0, maximum=10**5)
    rollout_batch: int = option(256, "rollouts at a time", above=0, maximum=10**6)
    rollout_every: int = option(1000, "gradient steps between them", above=0)
    rollouts_kept: int = option(5, "of so many times", above=0, maximum=10**4)
    real_share: float = option(0.05, "of a minibatch, recorded", minimum=0, maximum=1)
    members: int = option(7, "networks of the ensemble", above=0, maximum=1000)
    elites: int = option(5, "of them, those with the least held-out error", above=0)
    model_hidden: list[int] = option([200, 200, 200, 200], "widths of their layers")
    model_steps: int = option(10_000, "gradient steps of each", above=0)
    model_rate: float = option(1e-3, "Adam's step size, of the ensemble", above=0)
    reward_hidden: list[int] = option([256, 256], "widths of the discriminator's layers")
    reward_rounds: int = option(200, "20 gradient steps of it each; it is kept every tenth of the second half", above=0)
    reward_rate: float = option(3e-4, "Adam's step size, of it and the model against it", above=0)

    def validate(self) -> None:
        super().validate()
        for key in ("model_hidden", "reward_hidden"):
            check_widths(key, getattr(self, key))
        if self.elites > self.members:
            raise ValueError(f"elites={self.elites}: more than members={self.members}")


class Agent(OfflineAgent):
    """See `learn` for a gradient step, and `roll` for the model's part."""

    metrics: tuple[str, ...] = (
        "loss/critic", "loss/policy", "loss/entropy", "loss/q_mean", "explore/model_steps", "explore/model_length",
    )  # fmt: skip
    stateful: tuple[str, ...] = (
        "policy", "temperature", "critics", "target", "of_policy", "of_temperature", "of_critics", "model", "played",
    )  # fmt: skip
    acts_by = "policy"
    _actor: SquashedActor

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the actions are discrete, or what is observed is more than a vector.
        """
        spec, device = context.spec, context.device
        if spec.action.discrete:
            raise UserError(f"agent=morec: needs continuous actions, and {spec.id} has discrete ones; use agent=iql")
        if set(spec.obs) - set(UNREAD) != {_VECTOR}:
            raise UserError(f"agent=morec: models one vector, and {spec.id} shows {', '.join(spec.obs)}; use agent=iql")
        self.config, self._generator, self._device = config, context.generator, device
        self.standardised = config.scale(context)
        self._actor = actor = SquashedActor(config, context, self.standardised, rate=config.policy_rate)
        self.policy, self.temperature = actor.network, actor.temperature
        self.of_policy, self.of_temperature = actor.learned, actor.warmed
        self._critics = Critics(config, context, self.standardised, actor.box, config.target_rate, False)
        self.critics, self.target, self.of_critics = (
            self._critics.networks, self._critics.target, self._critics.learned
        )  # fmt: skip
        size, actions, generator = math.prod(spec.obs[_VECTOR].shape), actor.size, context.generator
        self.model = DynamicsEnsemble(
            size, actions, config.members, config.elites, config.model_hidden, generator
        ).to(device)  # fmt: skip
        self.likely: DynamicsReward | None = None
        if config.choose != "uniform":
            made = DynamicsReward(size, actions, config.reward_hidden, config.reward_rounds, generator)
            self.likely = made.to(device)
            self.stateful = (*Agent.stateful, "likely")
        self.played = Replay(config.rollout_length * config.rollout_batch * config.rollouts_kept, device)
        self._told: TensorMetrics = {}  # of the latest rollouts

    def begin(self, data: StoredSteps) -> None:
        super().begin(data)
        config, generator = self.config, self._generator
        steps = self.steps_of(data.at(np.arange(len(data))), data.terminated)
        batch = config.batch_size
        self.model.fit(steps, Adam(self.model.parameters(), config.model_rate), config.model_steps, batch, generator)
        if self.likely is None:
            return
        size, actions = steps.state.shape[1], steps.action.shape[1]
        deceiver = DynamicsEnsemble(size, actions, 1, 1, config.model_hidden, generator).to(self._device)
        deceiver.fit(steps, Adam(deceiver.parameters(), config.model_rate), config.model_steps, batch, generator)
        self.likely.fit(steps, deceiver, config.reward_rate, batch, generator)

    def steps_of(self, batch: Transitions, ends: torch.Tensor) -> Steps:
        """Recorded steps as the model reads them."""
        here, there = (shown[_VECTOR].flatten(1) for shown in (batch.obs, batch.next_obs))
        return Steps(here, self._actor.box.units(batch.action), there - here, batch.extra["reward"], ends)

    def draw(self, data: StoredSteps, size: int, rng: np.random.Generator) -> Transitions:
        """Recorded steps, and more that were played in the model, which is done now where it is due."""
        if self._updates % self.config.rollout_every == 0:
            self.roll(data, rng)
        real = data.sample(round(self.config.real_share * size), rng)
        imagined, _ = self.played.sample(size - len(real.action), rng)
        return joined(real, imagined)

    @torch.no_grad()
    def roll(self, data: StoredSteps, rng: np.random.Generator) -> None:
        """Play the policy in the model, from recorded states on, and keep the steps."""
        config, actor = self.config, self._actor
        shape = data.obs[_VECTOR].shape[1:]
        state = data.sample(config.rollout_batch, rng).obs[_VECTOR].flatten(1)
        begun, total = len(state), 0
        for _ in range(config.rollout_length):
            obs = {_VECTOR: state.view(-1, *shape)}
            action = actor.draw(actor.passes.inputs(obs), 1)[0].squeeze(1)
            change, reward, over = self.follow(state, action)
            there = state + change
            extra = {"reward": reward, "discount": data.gamma * (~over).float()}
            next_obs = {_VECTOR: there.view(-1, *shape)}
            self.played.add(Transitions(obs, actor.box.done(action), extra, next_obs))
            total += len(state)
            state = there[~over]
            if not len(state):
                break
        self._told = {
            "explore/model_steps": torch.tensor(float(len(self.played))),
            "explore/model_length": torch.tensor(total / begun),
        }

    @torch.no_grad()
    def follow(self, state: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What the model says of actions [B, A] in units of the box: changes [B, D], what is paid, and bool [B]: over.

        Args:
            state: [B, D].
        """
        config, rows = self.config, torch.arange(len(state), device=state.device)
        mean, std, ends = (told[self.model.elites] for told in self.model(state, action))
        wide, spread = mean.repeat(config.samples, 1, 1), std.repeat(config.samples, 1, 1)
        draws = wide + spread * normal(wide, self._generator)
        over = ends.sigmoid().mean(dim=0) >= 0.5
        if self.likely is None:
            chosen = self._drawn(torch.zeros(len(state), len(draws)))
        else:
            count = len(draws)
            likely = self.likely(state.expand(count, -1, -1), action.expand(count, -1, -1), draws[..., :-1])
            chosen = likely.argmax(dim=0) if config.choose == "argmax" else self._drawn(_SHARPNESS * likely.t())
            over = over | (likely[chosen, rows] < config.least_reward)
        picked = draws[chosen, rows]
        return picked[:, :-1], picked[:, -1] - config.penalty * std.norm(dim=-1).amax(dim=0), over

    @torch.no_grad()
    def learn(self, batch: Transitions, progress: float) -> TensorMetrics:
        critics, actor = self._critics, self._actor
        inputs, following = critics.inputs(batch.obs), critics.inputs(batch.next_obs)
        action, log_prob = actor.draw(following, 1)
        warmth = self.temperature.log.exp()
        then = critics.slow_of(following, action.squeeze(1)).amin(dim=0) - warmth * log_prob.squeeze(1)
        targets = batch.extra["reward"] + batch.extra["discount"] * then
        critic_loss, values = critics.learn(inputs, batch.action, targets)
        policy_loss, entropy = actor.climb(inputs, lambda units: critics.slope_of_least(inputs, units))
        critics.follow()
        self._updates += 1
        found = {"loss/critic": critic_loss, "loss/policy": policy_loss, "loss/entropy": entropy}
        return found | {"loss/q_mean": values.mean()} | self._told

    def _drawn(self, logits: torch.Tensor) -> torch.Tensor:
        """One of each row by its softmax, int64 [B]."""
        chance = logits.softmax(dim=-1).to(self._generator.device)
        return torch.multinomial(chance, 1, generator=self._generator).squeeze(1).to(self._device)
