"""Soft actor-critic: twin critics, a squashed Gaussian policy, a temperature that is learned

Paper: Haarnoja et al. 2018, Soft actor-critic algorithms and applications (arXiv:1812.05905)

For continuous actions with bounds. As with agent=dqn, one value of the weighted sum of all reward streams is learned,
with the agent's gamma and cut at termination: a stream's own discount does not count here.

Training acts by the policy's samples, evaluation by its mean, squashed. Defaults are the paper's (table 1: batches of
256, rate 3e-4, target rate 0.005, target entropy -A), but for the number of gradient steps: one for every two steps
played (samples_per_step=128) instead of one each (256).

With optimism > 0 it maximises to explore (Liu et al. 2023, arXiv:2305.18258): the loss of the critics raises what its
actions are worth above others, the log of the summed exponentials of the values of three: the action that was taken,
one of the policy in the next state, and one drawn uniformly. The policy's loss is as ever. In the authors' code the
second critic's sum has a value of the first one in it, which is put right here; their errors are not halved, so that
half of their eta does the same here: 0.0025 for .005.

With causal_actions=true the log-density of an action is a weighted sum of its components', wherever it is read: in the
loss of the policy, the targets and the temperature (Ji et al. 2024, ACE, arXiv:2402.14528; Cao et al. 2025, CIP,
arXiv:2502.10097). The weights are those of `maths.causal.action_weights`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from rewardlab.agents.base import BaseAgent
from rewardlab.agents.reading import check_encoding, check_widths, encoding_option, network_option, settle_network
from rewardlab.agents.replay.options import ReplayConfig, optimism_option
from rewardlab.errors import Diverged, UserError
from rewardlab.maths.distributions import normal
from rewardlab.maths.squashed import squashed_sample
from rewardlab.networks.adam import Adam
from rewardlab.networks.encoder import Encoder
from rewardlab.networks.picture import resolved
from rewardlab.networks.soft_actor_critic import SquashedPolicy, TwinCritics
from rewardlab.networks.standardised import Standardised
from rewardlab.parts.models.ema_target import EmaTarget
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActOutput, BuildContext, State, StreamSpec, TensorMetrics, TensorObs, Transitions

VERSION = 1


@dataclass
class Config(ReplayConfig):
    samples_per_step: float = option(128.0, "how often a step is replayed, on average, for each one played", above=0)
    learning_rate: float = option(3e-4, "Adam's step size, of policy, critics and temperature", above=0)
    target_rate: float = option(0.005, "how far the target critics move at each gradient step", above=0, maximum=1)
    temperature: float = option(1.0, "weight of the policy's entropy at first, or throughout", above=0)
    learn_temperature: bool = option(True, "move it so that the entropy becomes target_entropy")
    target_entropy: float | None = option(None, "in nats, of actions scaled to (-1, 1); null: minus their number")
    optimism: float = optimism_option()
    causal_actions: bool = option(
        False, "weigh each action in the entropy by its effect on what is paid, estimated on replay", neutral=False
    )
    network: str = network_option()
    encoding: str = encoding_option()
    normalise_observation: bool = option(False, "floats by the running mean and std of what was played", neutral=False)
    hidden: list[int] = option([256, 256], "widths of the layers")

    @property
    def weighs_actions(self) -> bool:
        return self.causal_actions

    def validate(self) -> None:
        super().validate()
        check_widths("hidden", self.hidden)
        check_encoding(self)

    def settle(self, setting: RootConfig) -> None:
        settle_network(self, setting)


class Agent(BaseAgent):
    """See `update_batch` for one gradient step of each network, read from top to bottom."""

    learns_from = "replay"
    stateful = ("policy", "critics", "target")
    acts_by = "policy"
    metrics = ("loss/critic", "loss/policy", "loss/q_mean", "loss/entropy", "loss/temperature")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: the actions are not continuous, or have no bounds.
        """
        action, device = context.spec.action, context.device
        if action.discrete:
            raise UserError(
                f"agent=sac: needs continuous actions, and {context.spec.id} has discrete ones; use agent=dqn"
            )
        low, high = torch.tensor(action.low), torch.tensor(action.high)
        if not bool(torch.isfinite(high - low).all()):
            raise UserError(f"agent=sac: needs bounds of all actions, which {context.spec.id} has not; use agent=ppo")
        self.config = config
        self.rollout_steps = config.rollout_steps
        self.progress = 0.0
        self.assumes = config.assumes()
        self._middle, self._reach = ((high + low) / 2).to(device), ((high - low) / 2).to(device)
        self._size, self._shape = math.prod(action.shape), action.shape
        self._generator, self._device = context.generator, device
        generator, hidden, shown = context.generator, config.hidden, context.spec.obs
        network = resolved(config.network, config.encoding, shown)
        self._standardised = Standardised(shown) if config.normalise_observation else None

        def encoder() -> Encoder:
            return Encoder(shown, network, config.encoding, generator)

        self.policy = SquashedPolicy(encoder(), self._size, generator, hidden, self._standardised).to(device)
        self.critics = TwinCritics(encoder(), self._size, generator, hidden, self._standardised).to(device)
        self.target = EmaTarget(self.critics, 1.0 - config.target_rate)
        self.log_temperature = nn.Parameter(torch.full((1,), math.log(config.temperature), device=device))
        self.optimisers = {
            "policy": Adam(self.policy.parameters(), config.learning_rate),
            "critics": Adam(self.critics.parameters(), config.learning_rate),
            "temperature": Adam([self.log_temperature], config.learning_rate),
        }
        self._target_entropy = -float(self._size) if config.target_entropy is None else config.target_entropy

    @torch.no_grad()
    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        mean, log_std = self.policy(self.policy.prepare(obs))
        action = squashed_sample(mean, log_std, normal(mean, rng))[0] if mode == "explore" else mean.tanh()
        return ActOutput(self._middle + self._reach * action.view(len(action), *self._shape), state)

    def observe(self, obs: TensorObs) -> None:
        if self._standardised is not None:
            self._standardised.add(obs)

    def columns(self, count: int) -> dict[str, torch.Tensor]:
        return {}

    def update_batch(self, batch: Transitions) -> tuple[TensorMetrics, torch.Tensor]:
        weight, action_weight = batch.extra.get("weight"), batch.extra.get("action_weight")
        action = ((batch.action - self._middle) / self._reach).flatten(1)
        temperature = self.log_temperature.detach().exp()

        with torch.no_grad():
            next_action, next_log_prob = self._sample(batch.next_obs, action_weight)
            next_values = self.target.average(self.critics.prepare(batch.next_obs), next_action).amin(dim=0)
            targets = batch.extra["reward"] + batch.extra["discount"] * (next_values - temperature * next_log_prob)
        prepared = self.critics.prepare(batch.obs)
        values = self.critics(prepared, action)
        error = values - targets
        critic_loss = 0.5 * (error.square() if weight is None else weight * error.square()).mean(dim=1).sum()
        if self.config.optimism > 0:
            raised = self._raised(prepared, batch.obs, values, next_action)
            self._descend("critics", critic_loss - self.config.optimism * raised)
        else:
            self._descend("critics", critic_loss)

        own_action, log_prob = self._sample(batch.obs, action_weight)
        own_values = self.critics(prepared, own_action).amin(dim=0)
        policy_loss = (temperature * log_prob - own_values).mean()
        self._descend("policy", policy_loss)

        entropy = -log_prob.detach().mean()
        if self.config.learn_temperature:
            self._descend("temperature", (self.log_temperature * (entropy - self._target_entropy)).sum())
        self.target.follow(self.critics)
        self._updates += 1
        found = {
            "loss/critic": critic_loss.detach(),
            "loss/policy": policy_loss.detach(),
            "loss/q_mean": values.detach().mean(),
            "loss/entropy": entropy,
            "loss/temperature": temperature.squeeze(0),
        }
        return found, error.detach().abs().mean(dim=0)

    def state_dict(self) -> State:
        optimisers = {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()}
        own = {"log_temperature": self.log_temperature.detach().clone(), "optimisers": optimisers}
        return super().state_dict() | own

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        with torch.no_grad():
            self.log_temperature.copy_(state["log_temperature"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    def _raised(
        self, prepared: TensorObs, obs: TensorObs, values: torch.Tensor, next_action: torch.Tensor
    ) -> torch.Tensor:
        """By how much the policy's actions are worth more than others, summed over the critics.

        Args:
            values: [2, B], of the actions that were taken. next_action: [B, A], of the policy in the next states.
        """
        with torch.no_grad():
            own = self._sample(obs)[0]
            drawn = 2.0 * torch.rand(own.shape, generator=self._generator, device=self._device) - 1.0
        others = torch.stack([values, self.critics(prepared, next_action), self.critics(prepared, drawn)])
        above: torch.Tensor = self.critics(prepared, own) - others.logsumexp(dim=0)
        return above.mean(dim=1).sum()

    def _sample(self, obs: TensorObs, weight: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions [B, A] in (-1, 1) of the policy of now, and their log-densities [B], the components' by weight."""
        mean, log_std = self.policy(self.policy.prepare(obs))
        return squashed_sample(mean, log_std, normal(mean, self._generator), weight)

    def _descend(self, name: str, loss: torch.Tensor) -> None:
        optimiser = self.optimisers[name]
        gradient = optimiser.gradient(loss)
        if not math.isfinite(float(loss.detach() + gradient.sum())):
            raise Diverged(f"gradient step {self._updates}: the loss of the {name} is {float(loss):g}")
        optimiser.step(gradient)
