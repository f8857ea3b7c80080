"""The off-policy iteration: collect, compute reward streams, keep the steps, learn from a replay buffer.

Which bonus a replayed step has is `agent.bonus`:

collected: the one of the time when it was played, as in Bellemare et al. 2016 (arXiv:1606.01868); any scheme.
replayed: the one that the scheme's models of now give, as in the benchmark of Laskin et al. 2021 (URLB,
arXiv:2110.15191); schemes with `rewards_of`.
"""

from typing import Any, cast

import torch

from rewardlab import seeding
from rewardlab.agents.replay.options import ReplayConfig
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.prioritised_replay import PrioritisedReplay
from rewardlab.parts.buffers.replay import Replay, columns_of, with_returns
from rewardlab.parts.state_keys import FACT
from rewardlab.schemas import RootConfig
from rewardlab.training.build import Parts
from rewardlab.training.collect import Collector
from rewardlab.training.demonstrated import DemonstratedSteps
from rewardlab.training.paying import pay
from rewardlab.types import (
    Metrics,
    ReplayAgent,
    Rollout,
    Signals,
    State,
    TensorMetrics,
    TensorObs,
    Transitions,
    Windows,
)


class OffPolicyLearning:
    """The buffer, what goes into it and what is drawn from it."""

    metrics: tuple[str, ...] = ("explore/replay_steps",)

    def __init__(self, config: RootConfig, parts: Parts, agent: ReplayAgent) -> None:
        self._options: ReplayConfig = config.agent
        self._parts, self._agent = parts, agent
        self._device = torch.device(config.device)
        self._replay = _buffer(self._options, self._device)
        self._rng = parts.streams.numpy_rngs["replay"] = seeding.numpy_rng(config.seed, "replay")
        self._demonstrated = DemonstratedSteps(config, parts, agent) if self._options.demos is not None else None
        self._relabel = getattr(parts.scheme, "relabel", None)
        self._episodes = EpisodeAssembler(config.num_envs, successors=True)
        self._waiting: TensorObs = {}  # the latest n - 1 steps, each column [n - 1, N, ...]: their rewards are to come
        self._owed = 0.0  # samples that are still to be drawn for the steps played so far

    def pretrain(self) -> Metrics:
        """Learn from demonstrations alone, as long as the agent's options say."""
        steps = self._options.demos_pretrain
        if self._demonstrated is None or not steps:
            return {}
        batches = (self._demonstrated.sample(self._options.batch_size, self._rng) for _ in range(steps))
        return _means([self._learn_from(batch, progress=0.0)[0] for batch in batches])

    def iterate(self, collector: Collector, steps: int, progress: float) -> tuple[Metrics, ...]:
        """One iteration: the metrics of the reward streams and of all parts."""
        parts, self._agent.progress = self._parts, progress
        rollout = collector.collect(steps, parts.streams.torch_rngs["act"])
        rollout.progress = progress
        signals, means = pay(parts, rollout)
        self._keep(rollout, signals)
        explored = parts.scheme.update(rollout)
        learned = self._learn(steps * rollout.num_envs, progress)
        return means, explored, learned, *parts.update_practice(progress)

    def state_dict(self) -> State:
        """All but the buffer."""
        waiting = {name: column.clone() for name, column in self._waiting.items()}
        return {"waiting": waiting, "owed": self._owed, "episodes": self._episodes.state_dict()}

    def load_state_dict(self, state: State, exact: bool) -> None:
        """Go on; unless `exact`, the running episodes do not, and what is kept of them is dropped."""
        self._owed = state["owed"]
        if exact:
            self._waiting = {name: column.to(self._device) for name, column in state["waiting"].items()}
            self._episodes.load_state_dict(state["episodes"])

    def buffer(self) -> State | None:
        """What goes to a file of its own."""
        return self._replay.state_dict()

    def load_buffer(self, state: State) -> None:
        self._replay.load_state_dict(state)

    def _keep(self, rollout: Rollout, signals: Signals) -> None:
        """Put into the buffer what is complete: steps whose n rewards are known, and episodes to relabel."""
        own = self._agent.columns(rollout.steps * rollout.num_envs)
        extra = {name: column.view(*rollout.task_reward.shape, *column.shape[1:]) for name, column in own.items()}
        extra |= {"reward": self._paid(rollout, signals)}
        extra |= {"terminated": rollout.terminated, "truncated": rollout.truncated}
        if self._options.bonus == "replayed":
            extra |= {f"{FACT}{name}": fact for name, fact in rollout.privileged.items()}
        columns = columns_of(Transitions(rollout.obs, rollout.action, extra, rollout.next_obs))
        if self._waiting:
            columns = {name: torch.cat([self._waiting[name], column]) for name, column in columns.items()}
        ahead = self._options.n_step - 1
        self._add(columns, rows=len(columns["reward"]) - ahead)
        # Copies: the next rollout is written into the same memory.
        self._waiting = {name: column[-ahead:].clone() for name, column in columns.items()} if ahead else {}
        if self._relabel is not None:
            for episode in self._episodes.add(rollout):
                self._keep_relabelled(self._relabel(episode, self._options.n_step, self._rng), rollout.progress)

    def _paid(self, rollout: Rollout, signals: Signals) -> torch.Tensor:
        """What is kept as a step's reward, [T, N]: all streams weighed, or the task's alone, as it is."""
        if self._options.bonus == "replayed":
            return signals.streams["task"]
        streams = self._parts.reward_streams
        return torch.stack([spec.weight(rollout.progress) * signals.streams[spec.name] for spec in streams]).sum(dim=0)

    def _keep_relabelled(self, windows: Windows | None, progress: float) -> None:
        if windows is None:
            return
        shape = windows.task_reward.shape
        own = self._agent.columns(shape[1])
        extra = {name: column.expand(shape[0], *column.shape) for name, column in own.items()}
        extra |= {"reward": self._parts.reward_streams[0].weight(progress) * windows.task_reward}
        extra |= {"terminated": windows.terminated, "truncated": windows.truncated}
        self._add(columns_of(Transitions(windows.obs, windows.action, extra, windows.next_obs)), rows=1)

    def _add(self, columns: TensorObs, rows: int) -> None:
        """The first `rows` steps of columns [T, N, ...] go to the buffer, with the rewards of those that follow."""
        if rows <= 0:
            return
        self._replay.add(with_returns(columns, rows, self._options.gamma, self._options.n_step))

    def _learn(self, played: int, progress: float) -> Metrics:
        """Draw for each step played as many samples as are wanted; the agent's metrics, averaged."""
        options, replay = self._options, self._replay
        found: Metrics = {"explore/replay_steps": float(len(replay))}
        if len(replay) < options.learning_starts:
            return found
        if isinstance(replay, PrioritisedReplay):
            replay.beta = options.priority_beta + (1.0 - options.priority_beta) * progress
        self._owed += played * options.samples_per_step
        told: list[TensorMetrics] = []
        shown = 0 if self._demonstrated is None else round(options.demos_share * options.batch_size)
        played_ones = options.batch_size - shown
        while self._owed >= options.batch_size:
            self._owed -= options.batch_size
            batch, places = replay.sample(played_ones, self._rng)
            if self._demonstrated is not None:
                batch = self._demonstrated.beside(batch, shown, self._rng)
            metrics, misjudged = self._learn_from(batch, progress)
            if isinstance(replay, PrioritisedReplay):
                replay.set_priorities(places, misjudged[:played_ones].cpu().numpy())
            told.append(metrics)
        return found | _means(told)

    def _learn_from(self, batch: Transitions, progress: float) -> tuple[TensorMetrics, torch.Tensor]:
        if self._options.bonus == "replayed":
            self._pay_anew(batch, progress)
        return self._agent.update_batch(batch)

    def _pay_anew(self, batch: Transitions, progress: float) -> None:
        """Add what the scheme's models pay now; the buffer has the task's reward alone."""
        task, *bonuses = self._parts.reward_streams
        reward = task.weight(progress) * batch.extra["reward"]
        paid = cast(Any, self._parts.scheme).rewards_of(batch)
        for spec in bonuses:
            reward = reward + spec.weight(progress) * paid[spec.name]
        batch.extra["reward"] = reward


def _buffer(options: ReplayConfig, device: torch.device) -> Replay:
    if options.prioritised:
        return PrioritisedReplay(options.buffer_size, options.priority_alpha, options.priority_beta, device)
    return Replay(options.buffer_size, device)


def _means(told: list[TensorMetrics]) -> Metrics:
    """The mean of each metric over gradient steps, if there were any."""
    return {name: float(torch.stack([metrics[name] for metrics in told]).mean()) for name in (told[0] if told else ())}
