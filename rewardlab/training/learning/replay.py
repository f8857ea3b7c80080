"""Replay: collect, compute reward streams, keep the steps, learn from what is drawn of a buffer.

Which bonus a replayed step has is `agent.bonus`:

collected: the one of the time when it was played, as in Bellemare et al. 2016 (arXiv:1606.01868); any scheme.
replayed: the one that the scheme's models of now give, as in the benchmark of Laskin et al. 2021 (URLB,
arXiv:2110.15191); schemes with `rewards_of`.
"""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.agents.replay.options import ReplayConfig
from rewardlab.errors import UserError
from rewardlab.machine import memory
from rewardlab.parts.buffers.best_episodes import BestEpisodes
from rewardlab.parts.buffers.causal_effects import CausalActions
from rewardlab.parts.buffers.causal_swap import CausalSwap
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.prioritised_replay import PrioritisedReplay
from rewardlab.parts.buffers.replay import Replay, columns_of, joined, with_returns
from rewardlab.parts.moments.return_scale import ReturnScale
from rewardlab.parts.state_keys import FACT
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import NO_CURRICULUM, RootConfig
from rewardlab.training.demonstrated import DemonstratedSteps
from rewardlab.training.learning.base import Collected, plugins_with
from rewardlab.training.parts import RunParts
from rewardlab.training.paying import pay
from rewardlab.training.wrappers.goal_env import ends_of_values
from rewardlab.types import (
    Agent,
    EnvSpec,
    Episode,
    Metrics,
    ReplayAgent,
    RewardScheme,
    Rollout,
    Signals,
    State,
    TensorMetrics,
    TensorObs,
    Transitions,
    Windows,
)

NEEDS = ("columns", "update_batch")


def check(scheme: BaseScheme, agent: Agent, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: the scheme needs what there is only of the latest rollout, or the options do not fit it.
    """
    _check_room(scheme, config, spec)
    name, options = config.reward.name, config.agent
    if scheme.reads_policy:
        raise UserError(
            f"reward={name} agent={options.name}: reads the policy's probabilities, which an agent on replay has not;"
            " use agent=ppo"
        )
    if scheme.mixes_advantages:
        raise UserError(
            f"reward={name} agent={options.name}: mixes advantages, which an agent on replay has not; use agent=ppo"
        )
    if scheme.looks_ahead:
        at_ends = (
            " reward.at_ends=true agent.bonus=replayed agent.n_step=1, or" if hasattr(config.reward, "at_ends") else ""
        )
        raise UserError(
            f"reward={name} agent={options.name}: pays steps by later ones, and an agent on replay learns before they"
            f" are played; use{at_ends} agent=ppo"
        )
    if options.bonus == "replayed":
        _check_replayed_bonus(scheme, config)
    _swap(options, spec)
    _weighing(options, spec)
    if options.demos is not None:
        options.demonstrations("agent", spec)
    if scheme.waits_for_ends and options.bonus != "replayed":
        raise UserError(
            f"reward={name}: pays steps when their episode has ended; set agent.bonus=replayed agent.n_step=1"
        )
    if scheme.waits_for_ends and options.demos is not None:
        raise UserError(f"reward={name}: pays whole episodes that were played; leave out agent.demos")
    if scheme.pays_demonstrated and (options.demos is None or options.bonus != "replayed"):
        raise UserError(f"reward={name}: needs agent.demos=DIR, agent.bonus=replayed and agent.n_step=1")


def _check_replayed_bonus(scheme: BaseScheme, config: RootConfig) -> None:
    if config.agent.demos is not None and config.reward.privileged():
        raise UserError(
            f"reward={config.reward.name} agent.bonus=replayed: reads full-state facts, which demonstrations lack; use"
            " agent.bonus=collected"
        )
    if config.agent.demos is not None and scheme.keeps:
        raise UserError(
            f"reward={config.reward.name} agent.bonus=replayed: keeps with steps what its code says of them, which"
            " demonstrations lack; use agent.bonus=collected"
        )
    if config.curriculum.plugin != NO_CURRICULUM:
        raise UserError("agent.bonus=replayed: what a curriculum pays can't be paid anew; use agent.bonus=collected")
    if len(scheme.streams) > 1 and not scheme.pays_anew:
        able = plugins_with("reward", "Scheme", "pays_anew", True)
        raise UserError(
            f"reward={config.reward.name} agent.bonus=replayed: its bonus can't be paid anew; use"
            f" agent.bonus=collected, or one of {', '.join(able)}"
        )


class Learning(Collected):
    """The buffer, what goes into it and what is drawn from it."""

    metrics: tuple[str, ...] = ("explore/replay_steps",)

    def __init__(self, config: RootConfig, parts: RunParts) -> None:
        self._agent = cast(ReplayAgent, parts.agent)
        self._options: ReplayConfig = config.agent
        self._replay = _buffer(self._options, _capacity(config, parts.scheme), torch.device(config.device))
        self._rng = parts.generators.numpy_rngs["replay"] = seeding.numpy_rng(config.seed, "replay")
        shows = self._options.demos is not None
        self._demonstrated = DemonstratedSteps(config, parts, self._agent) if shows else None
        self._episodes = EpisodeAssembler(config.num_envs, successors=True)
        self._waiting: TensorObs = {}  # the latest n - 1 steps, each column [n - 1, N, ...]: their rewards are to come
        scales = self._options.normalise_reward
        self._scale = ReturnScale(config.num_envs, self._options.gamma, torch.device(config.device)) if scales else None
        self._best = BestEpisodes(parts.scheme.best_episodes)
        self._swap = _swap(self._options, parts.env.spec)
        if self._swap is not None:
            self.metrics = (*self.metrics, "explore/causal_least")
        self._weighing = _weighing(self._options, parts.env.spec)
        if self._weighing is not None:
            self.metrics = (*self.metrics, "explore/action_weight_max")
        self._owed = 0.0  # samples that are still to be drawn for the steps played so far
        super().__init__(config, parts)

    def pretrain(self) -> Metrics:
        """Learn from demonstrations alone, as long as the agent's options say; they count in all scales."""
        steps = self._options.demos_pretrain
        if self._demonstrated is None:
            return {}
        for obs in self._demonstrated.begun_in():
            self._agent.observe(obs)
        if self._scale is not None:
            self._scale.add_returns(self._demonstrated.returns)
        if not steps:
            return {}
        batches = (self._demonstrated.sample(self._options.batch_size, self._rng) for _ in range(steps))
        return _means([self._learn_from(batch, progress=0.0)[0] for batch in batches])

    def iterate(self, spent: int) -> tuple[int, Sequence[Metrics]]:
        """One iteration: its frames, and the metrics of the reward streams and of all parts."""
        parts, agent, progress = self.parts, self._agent, spent / self.config.frames
        agent.progress = progress
        rollout = self.collect(spent, agent.rollout_steps)
        rollout.progress = progress
        signals, means = pay(parts, rollout)
        means |= self.ranked(rollout, signals)
        agent.observe({name: entry.flatten(0, 1) for name, entry in rollout.obs.items()})
        if self._scale is not None:
            self._scale.taking_in(self._weighed(rollout, signals))
        self._keep(rollout, signals)
        explored = parts.scheme.update(rollout)
        played = rollout.steps * rollout.num_envs
        learned = self._learn(played, progress)
        return played, (means, explored, learned, *parts.update_practice(progress))

    def kept(self) -> State:
        waiting = {name: column.clone() for name, column in self._waiting.items()}
        scale = {} if self._scale is None else {"scale": self._scale.state_dict()}
        best = {"best": self._best.state_dict()} if self.parts.scheme.best_share else {}
        swap = {} if self._swap is None else {"swap": self._swap.state_dict()}
        weighing = {} if self._weighing is None else {"weighing": self._weighing.state_dict()}
        own = {"waiting": waiting, "owed": self._owed, "episodes": self._episodes.state_dict()}
        return own | scale | best | swap | weighing

    def put_back(self, state: State) -> None:
        self._owed = state["owed"]
        if self._scale is not None:
            self._scale.load_state_dict(state["scale"])
        if self.parts.scheme.best_share:
            self._best.load_state_dict(state["best"])
        if self._swap is not None:
            self._swap.load_state_dict(state["swap"])
        if self._weighing is not None:
            self._weighing.load_state_dict(state["weighing"])
        if self.exact:
            self._waiting = {name: column.to(self.device) for name, column in state["waiting"].items()}
            self._episodes.load_state_dict(state["episodes"])

    def buffer(self) -> State | None:
        """What goes to a file of its own."""
        return self._replay.state_dict()

    def load_buffer(self, state: State) -> None:
        if "reward" in state["steps"]:  # so was either column called once
            state["steps"][self._options.kept_as] = state["steps"].pop("reward")
        self._replay.load_state_dict(state)

    def _keep(self, rollout: Rollout, signals: Signals) -> None:
        """Put into the buffer what is complete: steps whose n rewards are known, and episodes to relabel.

        Where the scheme waits for the ends of episodes, whole ones alone.
        """
        if self.parts.scheme.waits_for_ends:
            for episode in self._episodes.add(rollout):
                self._keep_episode(episode)
            return
        own = self._agent.columns(rollout.steps * rollout.num_envs)
        extra = {name: column.view(*rollout.task_reward.shape, *column.shape[1:]) for name, column in own.items()}
        extra |= {self._options.kept_as: self._paid(rollout, signals)}
        terminated, truncated = ends_of_values(rollout, self.parts.conditioner)
        extra |= {"terminated": terminated, "truncated": truncated}
        if self._options.bonus == "replayed":
            extra |= {f"{FACT}{name}": fact for name, fact in rollout.privileged.items()}
            extra |= self.parts.scheme.kept_of(rollout)
        columns = columns_of(Transitions(rollout.obs, rollout.action, extra, rollout.next_obs))
        if self._waiting:
            columns = {name: torch.cat([self._waiting[name], column]) for name, column in columns.items()}
        ahead = self._options.n_step - 1
        self._add(columns, rows=len(columns["terminated"]) - ahead)
        # Copies: the next rollout is written into the same memory.
        self._waiting = {name: column[-ahead:].clone() for name, column in columns.items()} if ahead else {}
        if self.parts.scheme.relabels:
            for episode in self._episodes.add(rollout):
                windows = self.parts.scheme.relabel(episode, self._options.n_step, self._rng)
                self._keep_relabelled(windows, rollout.progress)

    def _paid(self, rollout: Rollout, signals: Signals) -> torch.Tensor:
        """What is kept of a step's rewards, [T, N]: see `kept_as`."""
        if self._options.bonus == "replayed":
            return signals.streams["task"]
        return self._weighed(rollout, signals)

    def _weighed(self, rollout: Rollout, signals: Signals) -> torch.Tensor:
        """The sum of all reward streams, [T, N]."""
        streams = self.parts.reward_streams
        return torch.stack([spec.weight(rollout.progress) * signals.streams[spec.name] for spec in streams]).sum(dim=0)

    def _keep_episode(self, episode: Episode) -> None:
        """Its steps, with what they need to be paid."""
        length = len(episode)
        last = torch.arange(length, device=episode.task_reward.device) == length - 1
        extra = self._agent.columns(length) | {
            self._options.kept_as: episode.task_reward,
            "terminated": last & episode.terminated,
            "truncated": last & episode.truncated,
        }
        extra |= self.parts.scheme.of_episode(episode)
        columns = columns_of(Transitions(episode.obs, episode.action, extra, episode.next_obs))
        beside = {name: column.unsqueeze(1) for name, column in columns.items()}  # of one environment
        steps = with_returns(beside, length, self._options.gamma, 1, self._options.kept_as)
        self._replay.add(steps)
        if self.parts.scheme.best_share:
            self._best.add(float(episode.task_reward.double().sum()), steps)

    def _keep_relabelled(self, windows: Windows | None, progress: float) -> None:
        if windows is None:
            return
        shape = windows.task_reward.shape
        own = self._agent.columns(shape[1])
        extra = {name: column.expand(shape[0], *column.shape) for name, column in own.items()}
        weight = 1.0 if self._options.bonus == "replayed" else self.parts.reward_streams[0].weight(progress)
        extra |= {self._options.kept_as: weight * windows.task_reward}
        extra |= {"terminated": windows.terminated, "truncated": windows.truncated}
        self._add(columns_of(Transitions(windows.obs, windows.action, extra, windows.next_obs)), rows=1)

    def _add(self, columns: TensorObs, rows: int) -> None:
        """The first `rows` steps of columns [T, N, ...] go to the buffer, with the rewards of those that follow."""
        if rows <= 0:
            return
        options = self._options
        self._replay.add(with_returns(columns, rows, options.gamma, options.n_step, options.kept_as))

    def _learn(self, played: int, progress: float) -> Metrics:
        """Draw for each step played as many samples as are wanted; the agent's metrics, averaged."""
        options, replay = self._options, self._replay
        found: Metrics = {"explore/replay_steps": float(len(replay))}
        if len(replay) < options.learning_starts:
            return found
        if self._swap is not None:
            self._swap.played(played, replay, self._rng)
            if self._swap.least is not None:
                found["explore/causal_least"] = float(self._swap.least)
        if self._weighing is not None:
            self._weighing.played(played, replay, self._rng)
            found["explore/action_weight_max"] = float(self._weighing.weights.max())
        if isinstance(replay, PrioritisedReplay):
            replay.beta = options.priority_beta + (1.0 - options.priority_beta) * progress
        self._owed += played * options.samples_per_step
        told: list[TensorMetrics] = []
        shown = 0 if self._demonstrated is None else round(options.demos_share * options.batch_size)
        best = round(self.parts.scheme.best_share * options.batch_size) if len(self._best) else 0
        played_ones = options.batch_size - shown - best
        while self._owed >= options.batch_size:
            self._owed -= options.batch_size
            batch, places = replay.sample(played_ones, self._rng)
            if best:
                batch = joined(batch, self._among_the_best(best))
            if self._demonstrated is not None:
                batch = self._demonstrated.beside(batch, shown, self._rng)
            metrics, misjudged = self._learn_from(batch, progress)
            if isinstance(replay, PrioritisedReplay):
                replay.set_priorities(places, misjudged[:played_ones].cpu().numpy())
            told.append(metrics)
        return found | _means(told)

    def _among_the_best(self, count: int) -> Transitions:
        """Steps of the best episodes, which count fully."""
        steps = self._best.sample(count, self._rng)
        steps.extra["weight"] = torch.ones_like(steps.extra["discount"])
        return steps

    def _learn_from(self, batch: Transitions, progress: float) -> tuple[TensorMetrics, torch.Tensor]:
        if self._options.bonus == "replayed":
            self._pay_anew(batch, progress)
        if self._scale is not None:
            batch.extra["reward"] = batch.extra["reward"] / self._scale.divisor
        if self._swap is not None:
            batch = self._swap.swapped(batch, self._rng)
        if self._weighing is not None:
            batch.extra["action_weight"] = self._weighing.weights.to(self.device).expand(len(batch.action), -1)
        return self._agent.update_batch(batch)

    def _pay_anew(self, batch: Transitions, progress: float) -> None:
        """Weigh and add up what the buffer has, the task's reward alone, and what the scheme's models pay now."""
        task, *bonuses = self.parts.reward_streams
        reward = task.weight(progress) * batch.extra["task_reward"]
        paid = self.parts.scheme.rewards_of(batch)
        for spec in bonuses:
            reward = reward + spec.weight(progress) * paid[spec.name]
        batch.extra["reward"] = reward


def _buffer(options: ReplayConfig, capacity: int, device: torch.device) -> Replay:
    if options.prioritised:
        return PrioritisedReplay(capacity, options.priority_alpha, options.priority_beta, device)
    return Replay(capacity, device)


def _swap(options: ReplayConfig, spec: EnvSpec) -> CausalSwap | None:
    """Raises:
    UserError: the environment shows nothing that could be swapped.
    """
    if options.causal_swap == "none":
        return None
    return CausalSwap(options.causal_swap, options.causal_every, options.kept_as, spec)


def _weighing(options: ReplayConfig, spec: EnvSpec) -> CausalActions | None:
    """Raises:
    UserError: there are not several continuous actions, or nothing is shown that effects could be found of.
    """
    return CausalActions(options.causal_every, options.kept_as, spec) if options.weighs_actions else None


def _capacity(config: RootConfig, scheme: RewardScheme) -> int:
    """Steps that a buffer needs room for: no more than are played, unless they are kept more than once.

    That of priorities stays as it is: its size rounds the sums by which it draws.
    """
    size: int = config.agent.buffer_size
    return size if scheme.relabels or config.agent.prioritised else min(size, int(config.frames) + config.num_envs)


def _check_room(scheme: BaseScheme, config: RootConfig, spec: EnvSpec) -> None:
    """Raises:
    UserError: the observations in the buffer take more memory than the machine has.
    """
    shown = sum(math.prod(entry.shape) * np.dtype(entry.dtype).itemsize for entry in spec.obs.values())
    needed, there = 2 * shown * _capacity(config, scheme), memory()
    if there is not None and needed > there:
        raise UserError(
            f"agent.buffer_size={config.agent.buffer_size}: takes {needed / 2**30:.0f} GiB, two observations of"
            f" {spec.id} for each step, and this machine has {there / 2**30:.0f}; lower it"
        )


def _means(told: list[TensorMetrics]) -> Metrics:
    """The mean of each metric over gradient steps, if there were any."""
    return {name: float(torch.stack([metrics[name] for metrics in told]).mean()) for name in (told[0] if told else ())}
