"""Uniformly random actions: the floor, and what reward schemes warm up with"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from rewardlab.agents.base import BaseAgent
from rewardlab.errors import UserError
from rewardlab.maths import distributions
from rewardlab.schemas import AgentConfig, option
from rewardlab.types import MASK, ActOutput, Assessment, BuildContext, Metrics, Rollout, Signals, StreamSpec, TensorObs

VERSION = 2


@dataclass
class Config(AgentConfig):
    rollout_steps: int = option(128, "steps of each environment between rows of the tables", above=0)


class Agent(BaseAgent):
    """Uniform over discrete actions and bounded boxes; standard normal where a box has no bounds."""

    learns_from = "on_policy"
    obeys_masks = True

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        if len(streams) > 1:
            raise UserError("agent=random learns nothing: use reward=none and curriculum=none")
        self.rollout_steps = config.rollout_steps
        self._action = context.spec.action
        self._device = context.device
        low, high = torch.tensor(self._action.low), torch.tensor(self._action.high)
        self._bounded = torch.isfinite(low) & torch.isfinite(high)
        self._low = torch.where(self._bounded, low, 0.0)
        self._width = torch.where(self._bounded, high - low, 1.0)

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        """Random in both modes."""
        if MASK in obs:
            return ActOutput(distributions.sample(self._even(first.shape, obs), rng), None)
        return ActOutput(self._draw(first.shape[0], rng).to(self._device), None)

    def assess(self, rollout: Rollout) -> Assessment:
        """Densities of what `act` draws; the moments stand for the box, which a Gaussian cannot state exactly."""
        action = rollout.action
        values = torch.zeros(rollout.steps + 1, rollout.num_envs, 1, device=self._device)
        if self._action.n is not None:
            dist = self._even(action.shape, rollout.obs)
            return Assessment(distributions.log_prob(dist, action), dist, values)
        width, bounded = self._width.to(self._device), self._bounded.to(self._device)
        normal_density = -0.5 * action.square() - distributions.HALF_LOG_TWO_PI
        log_prob = torch.where(bounded, -width.log(), normal_density).sum(dim=-1)
        mean = torch.where(bounded, self._low.to(self._device) + width / 2, 0.0).expand_as(action)
        std = torch.where(bounded, width / math.sqrt(12.0), 1.0).expand_as(action)
        return Assessment(log_prob, {"mean": mean, "log_std": std.log()}, values)

    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        return torch.zeros(next(iter(obs.values())).shape[0], 1, device=self._device)

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        return {}

    def _even(self, shape: torch.Size, obs: TensorObs) -> TensorObs:
        """The same probability for each discrete action that is allowed: logits [*shape, A]."""
        assert self._action.n is not None
        logits = torch.zeros(*shape, self._action.n, device=self._device)
        return {"logits": distributions.allowed(logits, obs.get(MASK))}

    def _draw(self, count: int, rng: torch.Generator) -> torch.Tensor:
        """Actions of `count` environments."""
        if self._action.n is not None:
            return torch.randint(self._action.n, (count,), generator=rng, device=rng.device)
        shape = (count, *self._low.shape)
        uniform = self._low + self._width * torch.rand(shape, generator=rng, device=rng.device).cpu()
        normal = torch.empty(shape, device=rng.device).normal_(generator=rng).cpu()
        return torch.where(self._bounded, uniform, normal)
