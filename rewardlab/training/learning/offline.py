"""Offline: a data set is read, labelled with rewards, and learned from; no step of the environment is taken.

`frames` counts gradient steps times the steps of a minibatch. Evaluations play the real environment as ever.

An episode is labelled when it is read, by what the scheme pays for it as a rollout of one environment: the task's
reward of the data, and beside it what the scheme finds in the episode alone (`labels_data`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.agents.offline.base import OfflineAgent
from rewardlab.agents.offline.options import OfflineConfig
from rewardlab.datasets.steps import StoredSteps, read_steps
from rewardlab.errors import Diverged, UserError
from rewardlab.maths.returns import at_the_end
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import NO_CURRICULUM, RootConfig
from rewardlab.training.learning.base import plugins_with
from rewardlab.training.parts import RunParts
from rewardlab.training.paying import pay
from rewardlab.types import Agent, Array, EnvSpec, Episode, Metrics, Rollout, State, TensorMetrics

NEEDS = ("begin", "draw", "learn")
_ROUND = 64  # gradient steps of an iteration, at most
_ROUNDS = 500  # of a run, at least, where there are as many gradient steps
_SCALE = 1000.0  # what returns are spread over with reward_scale=returns


def check(scheme: BaseScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: no data set, none that fits, a scheme that can't pay recorded episodes, or too small a budget.
    """
    options: OfflineConfig = config.agent
    said = f"agent={options.name}"
    if config.curriculum.plugin != NO_CURRICULUM:
        raise UserError(f"curriculum={config.curriculum.name} {said}: nothing is practised offline; curriculum=none")
    if scheme.privileged:
        raise UserError(
            f"reward={config.reward.name} {said}: reads full-state facts, which a data set lacks; use reward=none"
        )
    if not scheme.labels_data:
        able = ", ".join(plugins_with("reward", "Scheme", "labels_data", True))
        raise UserError(
            f"reward={config.reward.name} {said}: pays by what it learns or remembers of play, and nothing is played"
            f" offline; use one of {able}"
        )
    if any(stream.coef_end != 1.0 for stream in scheme.streams):
        raise UserError(f"reward.coef_end {said}: a data set is paid once, before training; leave it out")
    if config.frames < options.batch_size:
        raise UserError(
            f"frames={config.frames}: {said} counts gradient steps times agent.batch_size={options.batch_size}, and"
            " this is less than one"
        )
    options.stored(spec)


class Learning:
    """The data set; it is the same throughout, so that a continued run reads it anew."""

    counts: tuple[str, ...] = ()
    warmup_frames = 0
    exact = True
    has_policy = True
    statistics = None

    def __init__(self, config: RootConfig, parts: RunParts) -> None:
        self._config, self._parts, self._agent = config, parts, cast(OfflineAgent, parts.agent)
        options: OfflineConfig = config.agent
        self._rng = parts.generators.numpy_rngs["data"] = seeding.numpy_rng(config.seed, "data")
        self._told: dict[str, list[float]] = {}
        file = options.stored(parts.env.spec)
        self.data = read_steps(file, options.gamma, self._label, torch.device(config.device))
        self._means = {name: float(np.mean(told)) for name, told in self._told.items()}
        if options.reward_scale == "returns":
            scale_by_returns(self.data, file.where)
        self.least = options.batch_size
        self.metrics: tuple[str, ...] = ()
        self.plays = f"minibatches of {options.batch_size} of {len(self.data)} recorded steps"
        steps = config.frames // options.batch_size
        self._round = max(1, min(_ROUND, steps // _ROUNDS))

    def warm_up(self) -> None:
        """Nobody asks for it: schemes that do are refused."""

    def pretrain(self) -> Metrics:
        self._agent.begin(self.data)
        return self._agent.pretrain()

    def iterate(self, spent: int) -> tuple[int, Sequence[Metrics]]:
        """Some gradient steps."""
        agent, frames, size = self._agent, self._config.frames, self.least
        steps = max(1, min(self._round, (frames - spent) // size))
        told: list[TensorMetrics] = []
        for step in range(steps):
            batch = agent.draw(self.data, size, self._rng)
            told.append(agent.learn(batch, (spent + step * size) / frames))
        found = means_of(told)
        for name, value in found.items():
            if not np.isfinite(value):
                raise Diverged(f"gradient step {agent.updates}: {name} is {value:g}")
        return steps * size, (found, self._means)

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State, seeds: list[int]) -> None: ...

    def buffer(self) -> State | None:
        return None

    def load_buffer(self, state: State) -> None: ...

    def arrays(self) -> dict[str, dict[str, Array]]:
        return {}

    def _label(self, episode: Episode) -> torch.Tensor:
        """What the steps of an episode are paid: all streams, weighed and added up, float32 [L]."""
        env = self._config.env
        reward = episode.task_reward.clamp(-1.0, 1.0) if env.clip_reward else episode.task_reward
        paid = at_the_end(reward) if env.delayed_reward else reward
        signals, means = pay(self._parts, as_rollout(episode, paid, torch.device(self._config.device)))
        for name, value in means.items():
            self._told.setdefault(name, []).append(value)
        streams = self._parts.reward_streams
        weighed = torch.stack([spec.weight(0.0) * signals.streams[spec.name] for spec in streams])
        return weighed.sum(dim=0).squeeze(1).cpu()


def means_of(told: Sequence[TensorMetrics]) -> Metrics:
    """The mean of each metric over those gradient steps that tell it: some networks learn every other step."""
    names = dict.fromkeys(name for metrics in told for name in metrics)
    each = {name: torch.stack([metrics[name] for metrics in told if name in metrics]) for name in names}
    return {name: float(values.mean()) for name, values in each.items()}


def as_rollout(episode: Episode, reward: torch.Tensor, device: torch.device) -> Rollout:
    """A whole episode as a rollout of one environment, [L, 1, ...], paid `reward`, [L].

    What follows it is its own last observation: nobody acts on that.
    """
    length = len(episode)
    last = torch.arange(length, device=device).unsqueeze(1) == length - 1
    obs, next_obs = (
        {name: entry.unsqueeze(1).to(device) for name, entry in entries.items()}
        for entries in (episode.obs, episode.next_obs)
    )
    return Rollout(
        obs=obs,
        next_obs=next_obs,
        action=episode.action.unsqueeze(1).to(device),
        task_reward=reward.unsqueeze(1).to(device),
        terminated=last & episode.terminated,
        truncated=last & (episode.truncated and not episode.terminated),
        success=last & episode.success,
        first=torch.arange(length, device=device).unsqueeze(1) == 0,
        last_obs={name: entry[-1] for name, entry in next_obs.items()},
        last_first=torch.ones(1, dtype=torch.bool, device=device),
        agent_state0=None,
    )


def scale_by_returns(data: StoredSteps, where: str) -> None:
    """Spread the returns of episodes over 1000, as Luo et al. 2023 (OTR) do before IQL.

    Raises:
        UserError: all of them are the same.
    """
    spread = float(data.returns.max() - data.returns.min())
    if not spread > 0:
        raise UserError(f"agent.reward_scale=returns: all episodes of {where} return the same; set none")
    data.reward *= _SCALE / spread
    data.returns *= _SCALE / spread
