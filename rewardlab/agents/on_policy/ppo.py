"""Proximal policy optimisation with one value head per reward stream

Paper: Schulman et al. 2017, Proximal policy optimization algorithms (arXiv:1707.06347)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.agents.on_policy.advantages import combined, head_advantages, head_rewards
from rewardlab.agents.on_policy.aux_steps import aux_steps
from rewardlab.agents.on_policy.batch import Batch
from rewardlab.agents.on_policy.cloning import Cloning, CloningConfig
from rewardlab.agents.on_policy.fused_steps import FusedSteps
from rewardlab.agents.on_policy.gradient_steps import LOSSES, GradientSteps
from rewardlab.agents.reading import check_encoding, encoding_option, network_option, settle_network
from rewardlab.errors import Diverged, UserError
from rewardlab.maths import distributions
from rewardlab.maths.distinct import distinct_of, spread
from rewardlab.maths.gae import explained_variance
from rewardlab.networks.actor_critic import ActorCritic
from rewardlab.networks.adam import Adam
from rewardlab.networks.fused import FusedActorCritic
from rewardlab.networks.picture import resolved
from rewardlab.networks.row_policy import RowPolicy
from rewardlab.parts.moments.return_scale import ReturnScale
from rewardlab.schemas import RootConfig, option
from rewardlab.types import (
    ActOutput,
    Assessment,
    AuxLoss,
    BuildContext,
    Metrics,
    Rollout,
    Signals,
    StreamSpec,
    TensorObs,
)

VERSION = 5
_WIDEST = 65536  # a layer


@dataclass
class Config(CloningConfig):
    rollout_steps: int = option(32, "steps of each environment between updates", above=0)
    epochs: int = option(2, "passes over each rollout", above=0)
    minibatch_size: int = option(256, "samples of a gradient step, about; with memory, whole sequences", above=0)
    learning_rate: float = option(2e-3, "Adam's step size; 1e-3 suits network=cnn and encoding=onehot", above=0)
    anneal_learning_rate: bool = option(False, "lower the learning rate linearly to 0 over the budget")
    adam_eps: float = option(1e-5, "Adam's epsilon", above=0)
    gae_lambda: float = option(0.95, "0: one-step advantages; 1: whole returns", minimum=0, maximum=1)
    bootstrap_truncation: bool = option(True, "value what would come after a time limit; false: treat it as an end")
    clip: float = option(0.2, "how far the probability ratio may move before it stops to pay", above=0)
    value_clip: float | None = option(None, "hold new values within this of the old ones; null: off", above=0)
    value_coef: float = option(0.5, "weight of the value loss (mean squared error)", minimum=0)
    entropy_coef: float = option(0.01, "weight of the policy's entropy", minimum=0)
    max_grad_norm: float = option(0.5, "longer gradients are cut to this norm", above=0)
    normalise_advantages: bool = option(True, "scale each rollout's advantages to mean 0, std 1")
    advantage_std_floor: float = option(0.01, "never divide by less: before a reward there is only noise", minimum=0)
    streams: str = option(
        "separate",
        "separate: a value head for each weighted reward stream; joint: one head on their sum",
        choices=("separate", "joint"),
    )
    reward_clip: float | None = option(None, "streams=joint: clip the weighted sum to +- this; null: off", above=0)
    network: str = network_option()
    encoding: str = encoding_option()
    shared: list[int] = option([], "widths of the layers that policy and critic share")
    hidden: list[int] | None = option(
        None, "widths of the layers that each has; null: 64,64 for the mlp, 64 after convolutions"
    )
    memory: str = option("none", "gru: a recurrent policy, trained on whole sequences", choices=("none", "gru"))
    memory_size: int = option(128, "width of the gru", above=0)
    normalise_observation: bool | None = option(
        None, "floats by their running mean and std; null: where actions are a box", neutral=None
    )
    normalise_reward: bool | None = option(
        None, "divide rewards by the running std of returns, if above 1; null: where actions are a box", neutral=None
    )
    fused: bool = option(
        True,
        "network=mlp on a CPU, discrete actions: compiled gradients, no autograd; the same but for rounding",
        in_setting=False,
    )

    def validate(self) -> None:
        super().validate()
        for key in ("shared", "hidden"):
            if not all(1 <= width <= _WIDEST for width in getattr(self, key) or ()):
                raise ValueError(f"{key}={list(getattr(self, key))}: widths must be from 1 to {_WIDEST}")
        if self.memory_size > _WIDEST:
            raise ValueError(f"memory_size={self.memory_size}: must be at most {_WIDEST}")
        if self.reward_clip is not None and self.streams != "joint":
            raise ValueError(f"reward_clip={self.reward_clip}: only with streams=joint")
        check_encoding(self)

    def settle(self, setting: RootConfig) -> None:
        settle_network(self, setting)

    def revision(self, setting: RootConfig) -> int:
        """1: on boxes, actions in their units, a bounded spread, observations and returns to scale."""
        return int(setting.env.MAY_BE_BOX)


class Agent(BaseAgent):
    """PPO: see `update` for one iteration, read from top to bottom.

    Where actions are a box, the policy is a `BoxPolicy`, observations of floats are standardised, and all rewards are
    divided by one running scale, so that the same options suit tasks whatever their units. Discrete actions have the
    last two where they are asked for.
    """

    learns_from = "on_policy"
    takes_aux_losses = True
    tells_log_prob = True
    masks_actions = True
    obeys_masks = True
    stateful: tuple[str, ...] = ("network", "optimiser")
    acts_by = "network"

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        self.config = config
        self.rollout_steps = config.rollout_steps
        self._streams = streams
        joint = StreamSpec("joint", streams[0].gamma, episodic=streams[0].episodic)
        self._heads = (joint,) if config.streams == "joint" else streams
        self.mixes_advantages = config.streams == "separate"
        self._generator = context.generator
        self._device = context.device
        self._extra = context.spec.action.extra
        scales = not context.spec.action.discrete  # where the options do not say
        network = resolved(config.network, config.encoding, context.spec.obs)
        self.network = ActorCritic(
            context.spec.obs,
            context.spec.action,
            len(self._heads),
            context.generator,
            network=network,
            encoding=config.encoding,
            shared=config.shared,
            hidden=_HIDDEN[network] if config.hidden is None else config.hidden,
            memory_size=config.memory_size if config.memory == "gru" else 0,
            standardise=scales if config.normalise_observation is None else config.normalise_observation,
        ).to(context.device)
        self.optimiser = Adam(self.network.parameters(), config.learning_rate, config.adam_eps)
        fused = config.fused and FusedActorCritic.fits(self.network)
        self._fused = FusedActorCritic(self.network, self.optimiser) if fused else None
        self._steps: FusedSteps | GradientSteps
        if self._fused is not None:
            self._steps = FusedSteps(self._fused, config)
        else:
            self._steps = GradientSteps(self.network, self.optimiser, config)
        self.row_policy = RowPolicy(self.network, self._extra) if fused and RowPolicy.fits(self.network) else None
        self.tells_log_prob = self.network.memory is None  # else it depends on what came before
        self._scale = None
        if scales if config.normalise_reward is None else config.normalise_reward:
            self._scale = ReturnScale(context.num_envs, streams[0].gamma, context.device)
            self.stateful = (*self.stateful, "_scale")
        self._aux_losses: tuple[AuxLoss, ...] = ()
        spreads = [f"advantage/{head.name}_std" for head in self._heads]
        self.metrics = (*LOSSES, "loss/explained_variance", "loss/learning_rate", *spreads)
        self._cloning = Cloning(config, context) if config.demos is not None else None
        self.assumes = config.assumes()
        if self._cloning and config.pretrain == "bc":
            self._refuse_memory(self._cloning.before())
            self.metrics += ("loss/pretraining",)
        if self._cloning and config.concurrent == "bc":
            self.take_aux_losses((self._cloning.beside(),))

    def take_aux_losses(self, losses: tuple[AuxLoss, ...]) -> None:
        """Learn from other terms too, after each rollout.

        Raises:
            UserError: the policy is recurrent: it needs what came before a step.
        """
        self._refuse_memory(losses[0])
        self._aux_losses += losses
        self.metrics += tuple(f"loss/{loss.name}" for loss in losses)

    def pretrain(self) -> Metrics:
        """Clone the demonstrations, where that is asked for; Adam then begins anew."""
        if self._cloning is None or self.config.pretrain != "bc":
            return {}
        steps = self._cloning.steps
        self.network.observe(steps.obs)  # what is cloned is to be read at the scale of training, and its returns too
        if self._scale is not None:
            self._scale.add_returns(steps.extra["return"] * self._streams[0].weight(0.0))
        fresh, self.optimiser.learning_rate = self.optimiser.state_dict(), self.config.pretrain_learning_rate
        found = self._aux_steps(self._cloning.before(), 0.0)
        self.optimiser.load_state_dict(fresh)
        last = found[-max(1, len(found) // 10) :]
        return {"loss/pretraining": sum(last) / len(last)}

    @torch.no_grad()
    def drop_actions(self) -> None:
        """Their probabilities are 0 from here on, and so are the gradients of their logits."""
        bias = self.network.policy[-1].bias
        assert isinstance(bias, torch.Tensor)
        bias[bias.numel() - self._extra :] = _NEVER

    def initial_state(self, num_envs: int) -> torch.Tensor | None:
        if self.network.memory is None:
            return None
        return torch.zeros(num_envs, self.network.memory.size, device=self._device)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        judged = None
        if self._fused is not None:
            dist = {"logits": self._fused.logits(self._fused.inputs(obs))}
        else:
            with torch.no_grad():
                features, state = self._features_of_step(obs, state, first)
                dist = self.network.distribution(features, obs)
                if mode == "explore" and state is None and self.network.encoder.block is not None:
                    judged = dist, self.network.values(features)  # to look at pictures again would be dear
        if self._extra and mode != "explore":
            dist = {"logits": dist["logits"][..., : -self._extra].contiguous()}
        action = distributions.mode(dist) if mode == "greedy" else distributions.sample(dist, rng)
        return ActOutput(action, state, judged)

    @torch.no_grad()
    def assess(self, rollout: Rollout) -> Assessment:
        if rollout.judged:
            dists, known = zip(*rollout.judged, strict=True)
            dist = {name: torch.stack([each[name] for each in dists]) for name in dists[0]}
            values, final_values = torch.stack([*known, self.value(rollout.last_obs, None)]), None
        elif rollout.agent_state0 is None:
            distinct = distinct_of(rollout)
            dist, values = self.judged(distinct.rows, distinct.logits)
            dist = {name: spread(entry, distinct.here[:-1]) for name, entry in dist.items()}
            values, final_values = spread(values, distinct.here), spread(values, distinct.there)
        else:
            obs = {name: torch.cat([entry, rollout.last_obs[name][None]]) for name, entry in rollout.obs.items()}
            first = torch.cat([rollout.first, rollout.last_first[None]])
            dist, values = self.network(self.network.prepare(obs), rollout.agent_state0, first)
            dist = {name: entry[:-1].clone() for name, entry in dist.items()}  # log_std is a view of a weight
            final_values = None
        return Assessment(distributions.log_prob(dist, rollout.action), dist, values, final_values)

    @torch.no_grad()
    def judged(self, obs: TensorObs, logits: torch.Tensor | None = None) -> tuple[TensorObs, torch.Tensor]:
        """What a policy without memory makes of single observations [B, *shape]: its distribution, and values [B, S].

        Args:
            logits: [B, A], where they are known.
        """
        if self._fused is None:
            dist, values = self.network(self.network.prepare(obs))
            return dist, values
        inputs = self._fused.inputs(obs)
        return {"logits": self._fused.policy(inputs) if logits is None else logits}, self._fused.values(inputs)

    @torch.no_grad()
    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        if self._fused is not None:
            return self._fused.values(self._fused.inputs(obs))
        count = next(iter(obs.values())).shape[0]
        within = torch.zeros(count, dtype=torch.bool, device=self._device)
        return self.network.values(self._features_of_step(obs, state, within)[0])

    def judge_task(self, rollout: Rollout) -> tuple[torch.Tensor, torch.Tensor]:
        stream, divisor = self._streams[0], 1.0 if self._scale is None else self._scale.divisor
        weight = stream.weight(rollout.progress) / divisor
        advantages = head_advantages(self.config, self._heads[:1], rollout, [rollout.task_reward * weight])
        return advantages[..., 0] / weight, rollout.values[:-1, :, 0] / weight

    @torch.no_grad()
    def log_prob(self, obs: TensorObs, action: torch.Tensor) -> torch.Tensor:
        if self._fused is not None:
            dist = {"logits": self._fused.policy(self._fused.inputs(obs))}
        else:
            dist, _ = self.network(self.network.prepare(obs))
        return distributions.log_prob(dist, action)

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        config = self.config
        learning_rate = config.learning_rate * (1.0 - progress if config.anneal_learning_rate else 1.0)
        self.optimiser.learning_rate = learning_rate

        rewards = head_rewards(config, self._streams, signals, progress)
        divisor = 1.0 if self._scale is None else self._scale.taking_in(torch.stack(rewards).sum(dim=0))
        advantages = head_advantages(config, self._heads, rollout, [reward / divisor for reward in rewards])
        values = rollout.values[:-1]
        returns = advantages + values
        if signals.value_target_bonus is not None:
            returns[..., 0] += signals.value_target_bonus / divisor
        advantage = combined(config, self._heads, advantages, signals, divisor)

        distinct = distinct_of(rollout) if self.network.memory is None else None
        obs = rollout.obs if distinct is None else distinct.rows
        whole = Batch(
            self.network.prepare(obs) if self._fused is None else {"flat": self._fused.inputs(obs)},
            None if distinct is None else distinct.here[:-1],
            rollout.action,
            rollout.log_prob,
            advantage,
            returns,
            values,
            rollout.first,
            rollout.agent_state0,
        )
        self._steps.begin(whole if distinct is None else whole.flatten())
        losses = [self._descend(chosen) for chosen in self._minibatches(rollout.steps, rollout.num_envs)]

        metrics = dict(zip(LOSSES, torch.tensor(losses).mean(dim=0).tolist(), strict=True))
        for index, head in enumerate(self._heads):
            metrics[f"advantage/{head.name}_std"] = float(advantages[..., index].std(unbiased=False))
        explained = explained_variance(values[..., 0], returns[..., 0])
        if explained is not None:
            metrics["loss/explained_variance"] = explained
        metrics["loss/learning_rate"] = learning_rate
        self.network.observe({name: entry.flatten(0, 1) for name, entry in rollout.obs.items()})
        for aux_loss in self._aux_losses:
            if found := self._aux_steps(aux_loss, progress):
                metrics[f"loss/{aux_loss.name}"] = sum(found) / len(found)
        return metrics

    def _aux_steps(self, aux_loss: AuxLoss, progress: float) -> list[float]:
        scale = 1.0 if self._scale is None else self._scale.divisor
        task_coef = self._streams[0].weight(progress)
        found = aux_steps(
            aux_loss, self.network, self.optimiser, self.config.max_grad_norm, task_coef, scale, self._fused
        )
        self._updates += len(found)
        return found

    def _refuse_memory(self, aux_loss: AuxLoss) -> None:
        if self.network.memory is not None:
            raise UserError(f"agent.memory=gru: can't take the loss {aux_loss.name} on single steps; use none")

    def _features_of_step(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What policy and critic read in one step of N environments, [N, F], and the next state."""
        prepared = self.network.prepare(obs)
        if state is None:
            return self.network.features(prepared)
        sequence = {name: entry.unsqueeze(0) for name, entry in prepared.items()}
        features, state = self.network.features(sequence, state, first.unsqueeze(0))
        return features.squeeze(0), state

    def _minibatches(self, steps: int, num_envs: int) -> Iterator[torch.Tensor]:
        """Each epoch the rollout in random pieces of nearly equal size: indices of samples or, with memory, sequences.

        Each is in exactly one piece of an epoch.
        """
        pieces = max(1, round(steps * num_envs / self.config.minibatch_size))
        count = steps * num_envs
        if self.network.memory is not None:
            pieces, count = min(pieces, num_envs), num_envs
        for _ in range(self.config.epochs):
            yield from torch.randperm(count, generator=self._generator).to(self._device).tensor_split(pieces)

    def _descend(self, chosen: torch.Tensor) -> list[float]:
        """One step of Adam on a minibatch; what `LOSSES` names.

        Raises:
            Diverged: the loss or its gradient is not finite; the weights are as before.
        """
        losses = self._steps.losses(chosen)
        if not math.isfinite(sum(losses[:3]) + losses[-1]):
            found = ", ".join(f"{name} {number:g}" for name, number in zip(LOSSES, losses, strict=True))
            raise Diverged(f"gradient step {self._updates}: {found}")
        self.optimiser.step(self._steps.gradient)
        self.network.stepped()
        self._updates += 1
        return losses


_NEVER = -1e4  # a logit
_HIDDEN = {"mlp": (64, 64), "cnn": (64,), "impala": (64,), "glyphs": (), "glyphs_small": (64,)}
