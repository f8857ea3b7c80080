"""The loop of a run: iterations of learning, rows of the tables, evaluations and checkpoints at their cadence."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from rewardlab import discovery, seeding
from rewardlab.errors import Interrupted
from rewardlab.records.progress import Progress
from rewardlab.records.store import EVAL, TRAIN, RunStore
from rewardlab.records.table import Table
from rewardlab.schemas import RootConfig
from rewardlab.training.build import Parts, make_level_env, make_training_env, training_levels
from rewardlab.training.collect import Collector
from rewardlab.training.evaluate import Evaluator
from rewardlab.training.off_policy import OffPolicyLearning
from rewardlab.training.on_policy import OnPolicyLearning
from rewardlab.training.starts import happens_again
from rewardlab.types import Exploring, Metrics, OnPolicyAgent, ReplayAgent, State, StreamSpec

_TRAIN_ROWS = 500  # about this many rows in train.csv, whatever the budget
_CHECKPOINT_SECONDS = 120.0  # after so long one is written in any case: no more than that is ever lost
EVAL_COLUMNS = (
    "frames", "wall_seconds", "cpu_seconds", "episodes", "return_mean", "return_std", "success_rate", "length_mean",
    "cells_mean",
)  # fmt: skip
_TRAIN_COLUMNS = (
    "frames", "updates", "wall_seconds", "cpu_seconds", "episodes", "return_mean", "success_rate", "length_mean", "fps",
)  # fmt: skip


@dataclass
class Clock:
    """Time spent on a run, over all its continuations, in seconds; `training` is without evaluations."""

    wall_before: float = 0.0
    cpu_before: float = 0.0
    training: float = 0.0

    def __post_init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def wall_seconds(self) -> float:
        return self.wall_before + time.perf_counter() - self._wall

    def cpu_seconds(self) -> float:
        return self.cpu_before + time.process_time() - self._cpu


class Means:
    """Means of metrics over the iterations since the last row."""

    def __init__(self) -> None:
        self._sums: Metrics = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Metrics) -> None:
        for key, value in metrics.items():
            self._sums[key] = self._sums.get(key, 0.0) + value
            self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> Metrics:
        means = {key: value / self._counts[key] for key, value in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> State:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: State) -> None:
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])


class Cadence:
    """What happens about every so many frames: at the first iteration's end past each multiple."""

    def __init__(self, every: int | None) -> None:
        assert every is not None, "defaults are filled in at composition"
        self.every = every
        self.next = 0

    def due(self, frames: int) -> bool:
        return frames >= self.next

    def done(self, frames: int) -> None:
        self.next = (frames // self.every + 1) * self.every


class Learning(Protocol):
    """What an agent learns from: see `on_policy.py` and `off_policy.py`."""

    metrics: tuple[str, ...]  # columns of train.csv beside those of the parts

    def pretrain(self) -> Metrics:
        """Learn before the first frame, where that is wanted: seen in the first row and the first evaluation."""

    def iterate(self, collector: Collector, steps: int, progress: float) -> tuple[Metrics, ...]:
        """Collect so many vector steps, when `progress` in [0, 1] of the budget was spent, and learn."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State, exact: bool) -> None:
        """Go on; `exact` says whether the running episodes do."""

    def buffer(self) -> State | None:
        """What is too large for the checkpoint and goes to a file of its own, or None."""

    def load_buffer(self, state: State) -> None: ...


class Training:
    """One run. Its state at an iteration's end is all that a continuation needs."""

    def __init__(
        self,
        config: RootConfig,
        parts: Parts,
        store: RunStore,
        checkpoint: State | None,
        progress: Progress,
        stop: Callable[[], int | None],
    ) -> None:
        """Begin a run, or go on from `checkpoint`.

        `stop` tells the number of the signal that asked the run to end, if one did.
        """
        self.config, self.parts, self.store, self.progress, self.stop = config, parts, store, progress, stop
        self.frames = 0
        self.clock = Clock()
        self._evaluation, self._checkpoints = Cadence(config.eval.every), Cadence(config.checkpoint.every)
        self._rows = Cadence(max(1, config.frames // _TRAIN_ROWS))
        self._evaluated_at = -1
        self._means = Means()
        self._at_last_row = (0, 0.0)  # frames and training seconds then
        self._device = torch.device(config.device)
        train_bytes, eval_bytes = (checkpoint["train_bytes"], checkpoint["eval_bytes"]) if checkpoint else (None, None)
        streams = [f"reward/{spec.name}_mean" for spec in parts.reward_streams]
        self._learning = make_learning(config, parts)
        columns = (*_TRAIN_COLUMNS, *streams, *parts.metrics, *self._learning.metrics)
        self._train_table = Table(store.folder / TRAIN, columns, train_bytes)
        self._eval_table = Table(store.folder / EVAL, EVAL_COLUMNS, eval_bytes)
        self._collector = make_collector(config, parts)
        self.saving, self._saved_at = False, time.monotonic()
        self._begun = checkpoint is not None
        self.exact = True  # whether this is what an unbroken run would be doing
        if checkpoint is not None:
            self._load(checkpoint)
        self._evaluator = Evaluator(config, parts.env.spec, parts.conditioner)

    def run(self) -> None:
        """Train to the end of the budget.

        Raises:
            Diverged: a loss or a reward is not finite.
            Interrupted: a signal asked for the end; a checkpoint has been written.
        """
        try:
            if not self._begun:
                self._means.add(self._learning.pretrain())
            while True:
                self._evaluate_if_due()
                if self._checkpoint_due or self._finished:
                    self._checkpoint()
                if (signal_number := self.stop()) is not None:
                    self._checkpoint()
                    raise Interrupted(signal_number)
                if self._finished:
                    return
                self._iterate()
        finally:
            for opened in (self._train_table, self._eval_table, self._evaluator, self.parts.env):
                opened.close()

    @property
    def fps_mean(self) -> float:
        """Training frames per second over the whole run, evaluations and warm-up left out."""
        return (self.frames - self._warmup_frames) / self.clock.training

    @property
    def _warmup_frames(self) -> int:
        return self.parts.scheme.warmup_steps * self.config.num_envs

    def _iterate(self) -> None:
        started = time.perf_counter()
        config, parts = self.config, self.parts
        if self.frames == 0 and parts.scheme.warmup_steps:
            self._warm_up()
            return
        if self._exploring is not None:
            self._explore(self._exploring)
        else:
            steps = min(parts.agent.rollout_steps, max(1, (config.frames - self.frames) // config.num_envs))
            progress = self.frames / config.frames
            for metrics in self._learning.iterate(self._collector, steps, progress):
                self._means.add(metrics)
            self.frames += steps * config.num_envs
        self.clock.training += time.perf_counter() - started
        if self._rows.due(self.frames) or self._finished:
            self._write_row()

    @property
    def _finished(self) -> bool:
        """Another whole vector step would overrun the budget; at least one is always made."""
        return self.frames > 0 and self.frames + self.config.num_envs > self.config.frames

    @property
    def _exploring(self) -> Exploring | None:
        """The agent, as long as it explores without a policy for the task: there is nothing to evaluate then."""
        agent: Any = self.parts.agent
        return agent if getattr(agent, "exploring", False) else None

    def _explore(self, agent: Exploring) -> None:
        """Steps of exploration; after the last, episodes begin anew, along what was found."""
        config, levels = self.config, training_levels(self.config)
        assert levels is not None, "refused by build"
        steps = min(agent.round_steps, max(1, (config.frames - self.frames) // config.num_envs))
        self.frames += steps * config.num_envs
        make = make_level_env(config, agent.facts)
        self._means.add(agent.explore(make, levels, config.num_envs, steps, self.frames / config.frames))
        if not agent.exploring:
            found = agent.solutions
            again = happens_again(make_level_env(config), found)
            agent.robustify([trail for trail, same in zip(found, again, strict=True) if same])
            self._collector = make_collector(config, self.parts)

    def _warm_up(self) -> None:
        """Let a uniform-random agent act first, as the scheme asks; these are training frames too."""
        config, parts = self.config, self.parts
        random = discovery.load("agent", "random")
        context = parts.streams.context("warmup", config, parts.env.spec)
        agent = random.Agent(random.Config(), context, (StreamSpec("task", context.gamma),))
        env = make_training_env(config)
        seeds = seeding.env_seeds(config.seed, "warmup_envs", config.num_envs)
        rng = seeding.torch_rng(config.seed, "warmup_act")
        steps = parts.scheme.warmup_steps
        parts.scheme.warm_up(Collector(env, agent, seeds, steps, self._device).collect(steps, rng))
        env.close()
        self.frames = self._warmup_frames
        self._at_last_row = (self.frames, self.clock.training)

    def _write_row(self) -> None:
        statistics = self._collector.statistics
        frames_then, seconds_then = self._at_last_row
        fps = (self.frames - frames_then) / (self.clock.training - seconds_then)
        row = self._means.take() | {
            "frames": self.frames,
            "updates": self.parts.agent.updates,
            "wall_seconds": self.clock.wall_seconds(),
            "cpu_seconds": self.clock.cpu_seconds(),
            "episodes": statistics.episodes,
            "fps": fps,
        }
        means = statistics.means()
        if means is not None:
            row["return_mean"], row["success_rate"], row["length_mean"] = means
            if self.parts.env.spec.task.success is None:
                del row["success_rate"]
        self._train_table.append(row)
        self._at_last_row = (self.frames, self.clock.training)
        self._rows.done(self.frames)
        self.progress.update(self.frames, fps, row.get("return_mean"), row.get("success_rate"))

    def _evaluate_if_due(self) -> None:
        if self._exploring is not None:
            return
        if self._evaluated_at == self.frames or not (self._evaluation.due(self.frames) or self._finished):
            return
        evaluation = self._evaluator.evaluate(self.parts.agent, self.frames, lambda: self.stop() is not None)
        if evaluation is None:
            return
        times = {"wall_seconds": self.clock.wall_seconds(), "cpu_seconds": self.clock.cpu_seconds()}
        self._eval_table.append({"frames": self.frames} | times | evaluation.row())
        self._evaluated_at = self.frames
        self._evaluation.done(self.frames)

    @property
    def _checkpoint_due(self) -> bool:
        return self._checkpoints.due(self.frames) or time.monotonic() > self._saved_at + _CHECKPOINT_SECONDS

    def _checkpoint(self) -> None:
        self.saving = True
        buffer = self._learning.buffer()
        replay = None if buffer is None else self.store.save_replay(self.frames, buffer)
        self.store.save_checkpoint(
            {
                "frames": self.frames,
                "wall_seconds": self.clock.wall_seconds(),
                "cpu_seconds": self.clock.cpu_seconds(),
                "training_seconds": self.clock.training,
                "next_evaluation": self._evaluation.next,
                "evaluated_at": self._evaluated_at,
                "next_row": self._rows.next,
                "at_last_row": list(self._at_last_row),
                "means": self._means.state_dict(),
                "agent": self.parts.agent.state_dict(),
                "learning": self._learning.state_dict(),
                "replay": replay,
                "scheme": self.parts.scheme.state_dict(),
                "conditioner": None if self.parts.conditioner is None else self.parts.conditioner.state_dict(),
                "curriculum": None if self.parts.curriculum is None else self.parts.curriculum.state_dict(),
                "streams": self.parts.streams.state_dict(),
                "collector": self._collector.state_dict(),
                "train_bytes": self._train_table.sync(),
                "eval_bytes": self._eval_table.sync(),
            }
        )
        self.store.drop_replays(but=replay)
        self._checkpoints.done(self.frames)
        self._saved_at, self.saving = time.monotonic(), False

    def _load(self, checkpoint: State) -> None:
        self.frames = checkpoint["frames"]
        self.clock = Clock(checkpoint["wall_seconds"], checkpoint["cpu_seconds"], checkpoint["training_seconds"])
        frames, seconds = checkpoint["at_last_row"]
        self._at_last_row = (frames, seconds)
        self._means.load_state_dict(checkpoint["means"])
        self._evaluation.next, self._evaluated_at = checkpoint["next_evaluation"], checkpoint["evaluated_at"]
        self._rows.next = checkpoint["next_row"]
        self.parts.agent.load_state_dict(checkpoint["agent"])
        self.parts.scheme.load_state_dict(checkpoint["scheme"])
        if self.parts.conditioner is not None:
            self.parts.conditioner.load_state_dict(checkpoint["conditioner"])
        if self.parts.curriculum is not None:
            self.parts.curriculum.load_state_dict(checkpoint["curriculum"])
        self.parts.streams.load_state_dict(checkpoint["streams"])
        # Where the running episodes cannot be put back, new ones begin, on levels of their own.
        seeds = seeding.env_seeds(self.config.seed, f"train_envs/{self.frames}", self.config.num_envs)
        self.exact = self._collector.load_state_dict(checkpoint["collector"], seeds)
        # Checkpoints of before there was replay have neither.
        self._learning.load_state_dict(checkpoint.get("learning", {}), self.exact)
        if (name := checkpoint.get("replay")) is not None:
            self._learning.load_buffer(self.store.load_replay(name))
        self._checkpoints.done(self.frames)


def make_collector(config: RootConfig, parts: Parts) -> Collector:
    """The collector of a run's training environments."""
    seeds = seeding.env_seeds(config.seed, "train_envs", config.num_envs)
    return Collector(parts.env, parts.agent, seeds, parts.agent.rollout_steps, torch.device(config.device))


def make_learning(config: RootConfig, parts: Parts) -> Learning:
    """What the run's agent learns from."""
    agent = parts.agent
    if isinstance(agent, ReplayAgent):
        return OffPolicyLearning(config, parts, agent)
    assert isinstance(agent, OnPolicyAgent), "`build` refuses others"
    return OnPolicyLearning(parts, agent)
