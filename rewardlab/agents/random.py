"""Uniformly random actions: the floor, and what reward schemes warm up with"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from rewardlab.errors import UserError
from rewardlab.maths import distributions
from rewardlab.schemas import AgentConfig, option
from rewardlab.types import ActOutput, BuildContext, Metrics, Rollout, Signals, State, StreamSpec, TensorObs

VERSION = 1


@dataclass
class Config(AgentConfig):
    rollout_steps: int = option(128, "steps of each environment between rows of the tables", above=0)


class Agent:
    """Uniform over discrete actions and bounded boxes; standard normal where a box has no bounds."""

    metrics: tuple[str, ...] = ()
    value_streams: int = 1
    updates: int = 0

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        if len(streams) > 1:
            raise UserError("agent=random learns nothing: use reward=none")
        self.rollout_steps = config.rollout_steps
        self._action = context.spec.action
        self._device = context.device
        low, high = torch.tensor(self._action.low), torch.tensor(self._action.high)
        self._bounded = torch.isfinite(low) & torch.isfinite(high)
        self._low = torch.where(self._bounded, low, 0.0)
        self._width = torch.where(self._bounded, high - low, 1.0)

    def initial_state(self, num_envs: int) -> torch.Tensor | None:
        return None

    def act(
        self, obs: TensorObs, state: torch.Tensor | None, first: torch.Tensor, mode: str, rng: torch.Generator
    ) -> ActOutput:
        """Random in both modes."""
        action, log_prob, dist = self._draw(first.shape[0], rng)
        values = torch.zeros(first.shape[0], 1, device=self._device)
        on_device = {name: entry.to(self._device) for name, entry in dist.items()}
        return ActOutput(action.to(self._device), log_prob.to(self._device), values, on_device, None)

    def value(self, obs: TensorObs, state: torch.Tensor | None) -> torch.Tensor:
        return torch.zeros(next(iter(obs.values())).shape[0], 1, device=self._device)

    def update(self, rollout: Rollout, signals: Signals, progress: float) -> Metrics:
        return {}

    def policy_state_dict(self) -> State:
        return {}

    def load_policy_state_dict(self, state: State) -> None: ...

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None: ...

    def _draw(self, count: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """Actions, their log-probabilities and parameters of the distribution, of `count` environments."""
        if self._action.n is not None:
            dist = {"logits": torch.zeros(count, self._action.n)}
            action = distributions.sample(dist, rng)
            return action, distributions.log_prob(dist, action), dist
        # A Gaussian cannot state a uniform box exactly: these are the moments of what is drawn.
        mean = torch.where(self._bounded, self._low + self._width / 2, 0.0).expand(count, -1)
        std = torch.where(self._bounded, self._width / math.sqrt(12.0), 1.0).expand(count, -1)
        uniform = self._low + self._width * torch.rand(mean.shape, generator=rng, device=rng.device).cpu()
        normal = torch.empty(mean.shape, device=rng.device).normal_(generator=rng).cpu()
        action = torch.where(self._bounded, uniform, normal)
        normal_density = -0.5 * action.square() - distributions.HALF_LOG_TWO_PI
        log_prob = torch.where(self._bounded, -self._width.log(), normal_density).sum(dim=-1)
        return action, log_prob, {"mean": mean, "log_std": std.log()}
