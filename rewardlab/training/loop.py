"""The loop of a run: iterations of learning, rows of the tables, evaluations and checkpoints at their cadence."""

import time
from collections.abc import Callable
from contextlib import closing

import numpy as np

from rewardlab import seeding
from rewardlab.errors import Interrupted, Paused
from rewardlab.machine import give_back_memory
from rewardlab.maths.achievements import score
from rewardlab.records.progress import Progress
from rewardlab.records.store import EVAL, REPLICATES, SUITE, TRAIN, WITHIN, RunStore
from rewardlab.records.table import Table, check_continuation
from rewardlab.schemas import NO_SUITE, RootConfig
from rewardlab.training.cadence import Cadence, Clock, Means
from rewardlab.training.evaluate import REGRET, Evaluator, told_column
from rewardlab.training.learning.base import make_learning
from rewardlab.training.parts import RunParts
from rewardlab.training.suite import Suite
from rewardlab.training.within import LOWER_BOUND, REPLICATE_COLUMNS, WITHIN_COLUMNS, Within
from rewardlab.types import Array, State

_TRAIN_ROWS = 500  # about this many rows in train.csv, whatever the budget
_CHECKPOINT_SECONDS = 120.0  # after so long one is written in any case: no more than that is ever lost
_TRIM_SECONDS = 60.0  # freed memory is given back with a checkpoint, at most so often: it takes 40 ms
EVAL_COLUMNS = (
    "frames", "wall_seconds", "cpu_seconds", "episodes", "return_mean", "return_std", "success_rate", "length_mean",
    "cells_mean",
)  # fmt: skip
_TRAIN_COLUMNS = (
    "frames", "updates", "wall_seconds", "cpu_seconds", "episodes", "return_mean", "success_rate", "length_mean", "fps",
)  # fmt: skip


SCORE = "score"  # of what is counted in all training episodes so far


class Training:
    """One run. Its state at an iteration's end is all that a continuation needs."""

    def __init__(
        self,
        config: RootConfig,
        parts: RunParts,
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
        self._cut_said = False
        self._at_last_row = (0, 0.0)  # frames and training seconds then
        train_bytes, eval_bytes = (checkpoint["train_bytes"], checkpoint["eval_bytes"]) if checkpoint else (None, None)
        streams = [f"reward/{spec.name}_mean" for spec in parts.reward_streams]
        self._learning = make_learning(config, parts)
        self._means = Means(self._learning.counts)
        counted = (*config.env.counted(), SCORE) if config.env.counted() else ()
        regret = (REGRET,) if config.env.TELLS_GAP else ()
        columns = (*_TRAIN_COLUMNS, *counted, *regret, *streams, *parts.metrics, *self._learning.metrics)
        self._suite = None if config.eval.suite == NO_SUITE else Suite(config, parts.env.spec, parts.conditioner)
        told = map(told_column, (*parts.env.spec.tells, *regret))
        evaluated = (*EVAL_COLUMNS, *told)
        self.saving, self._saved_at, self._trimmed_at = False, time.monotonic(), time.monotonic()
        self._begun = checkpoint is not None
        if checkpoint is not None:  # no table is cut back before every part has been found whole
            check_continuation(store.folder / TRAIN, columns, checkpoint["train_bytes"])
            check_continuation(store.folder / EVAL, evaluated, checkpoint["eval_bytes"])
            if self._suite is not None:
                check_continuation(store.folder / SUITE, self._suite.columns, checkpoint["suite_bytes"])
            self._load(checkpoint)
        self._train_table = Table(store.folder / TRAIN, columns, train_bytes)
        self._eval_table = Table(store.folder / EVAL, evaluated, eval_bytes)
        self._suite_table: Table | None = None
        if self._suite is not None:
            suite_bytes = checkpoint["suite_bytes"] if checkpoint else None
            self._suite_table = Table(store.folder / SUITE, self._suite.columns, suite_bytes)
        self._evaluator = Evaluator(config, parts.env.spec, parts.conditioner)

    def run(self) -> None:
        """Train to the end of the budget.

        Raises:
            Diverged: a loss or a reward is not finite.
            Interrupted: a signal asked for the end; a checkpoint has been written.
            Paused: it has come as far as it was to come for now; likewise.
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
                if self.config.pause_at is not None and self.frames >= self.config.pause_at:
                    self._checkpoint()
                    raise Paused
                self._iterate()
        finally:
            opened = (self._train_table, self._eval_table, self._suite_table, self._evaluator, self._suite)
            for each in (*opened, self.parts.env):
                if each is not None:
                    each.close()

    def say(self, line: str) -> None:
        """One line for whoever watches, and in run.log for whoever looks later."""
        self.progress.note(line)
        self.store.log(line)

    @property
    def exact(self) -> bool:
        """Whether this is what an unbroken run would be doing."""
        return self._learning.exact

    def arrays(self) -> dict[str, dict[str, Array]]:
        """What the finished run keeps of what it found, by file."""
        return self._learning.arrays()

    @property
    def fps_mean(self) -> float:
        """Training frames per second over the whole run, evaluations and warm-up left out."""
        return (self.frames - self._learning.warmup_frames) / self.clock.training

    def _iterate(self) -> None:
        if self.frames == 0 and self._learning.warmup_frames:
            self._learning.warm_up()
            self.frames = self._learning.warmup_frames
            self._at_last_row = (self.frames, self.clock.training)
            return
        started = time.perf_counter()
        played, told = self._learning.iterate(self.frames)
        for metrics in told:
            self._means.add(metrics)
        self.frames += played
        self.clock.training += time.perf_counter() - started
        if self._rows.due(self.frames) or self._finished:
            self._write_row()

    @property
    def _finished(self) -> bool:
        """Another iteration, be it the smallest, would overrun the budget; at least one is always made."""
        return self.frames > 0 and self.frames + self._learning.least > self.config.frames

    def _write_row(self) -> None:
        frames_then, seconds_then = self._at_last_row
        fps = (self.frames - frames_then) / (self.clock.training - seconds_then)
        row = self._means.take() | {
            "frames": self.frames,
            "updates": self.parts.agent.updates,
            "wall_seconds": self.clock.wall_seconds(),
            "cpu_seconds": self.clock.cpu_seconds(),
            "fps": fps,
        }
        if (statistics := self._learning.statistics) is not None:
            row["episodes"] = statistics.episodes
            if (means := statistics.means()) is not None:
                row["return_mean"], row["success_rate"], row["length_mean"] = means
                if self.parts.env.spec.task.success is None:
                    del row["success_rate"]
            if statistics.regret is not None:
                row[REGRET] = statistics.regret
            if shares := statistics.shares():
                row |= shares | {SCORE: score(np.array(list(shares.values())))}
        self._train_table.append(row)
        self._at_last_row = (self.frames, self.clock.training)
        self._rows.done(self.frames)
        self.progress.update(self.frames, fps, row.get("return_mean"), row.get("success_rate"))

    def _evaluate_if_due(self) -> None:
        due = self._evaluation.due(self.frames) and (self._learning.has_policy or self.frames == 0)
        if self._evaluated_at == self.frames or not (due or self._finished):
            return
        asked, agent = (lambda: self.stop() is not None), self.parts.agent
        evaluation = self._evaluator.evaluate(agent, self.frames, asked)
        if evaluation is None:
            return
        if self._suite is not None and self._suite_table is not None:
            held_out = self._suite.evaluate(agent, self.frames, asked)
            if held_out is None:
                return
            self._suite_table.append(held_out)
        times = {"wall_seconds": self.clock.wall_seconds(), "cpu_seconds": self.clock.cpu_seconds()}
        self._eval_table.append({"frames": self.frames} | times | evaluation.row())
        if self._finished and evaluation.within is not None:
            self._write_within(evaluation.within)
        self._evaluated_at = self.frames
        self._evaluation.done(self.frames)
        if evaluation.cut and not self._cut_said:
            self._cut_said = True
            self.say(
                f"evaluation at frame {self.frames}: {evaluation.cut} of {len(evaluation.returns)} episodes did not end"
                f" within {evaluation.limit} steps: the return so far counts (eval.max_steps=N sets another limit)"
            )

    def _write_within(self, within: Within) -> None:
        """Tables of the last evaluation's episodes and steps."""
        replicates = within.replicates()
        for row in replicates:
            bound = self.config.env.regret_bound(int(row["level"]))
            if bound is not None:
                row[LOWER_BOUND] = bound
        of_each = ((REPLICATES, REPLICATE_COLUMNS, replicates), (WITHIN, WITHIN_COLUMNS, within.steps()))
        for name, columns, rows in of_each:
            with closing(Table(self.store.folder / name, columns)) as table:
                for row in rows:
                    table.append(row)

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
                **self.parts.state_dict(),
                **self._learning.state_dict(),
                "replay": replay,
                "train_bytes": self._train_table.sync(),
                "eval_bytes": self._eval_table.sync(),
            }
            | ({} if self._suite_table is None else {"suite_bytes": self._suite_table.sync()})
        )
        if annotations := self.parts.scheme.annotations():
            self.store.write_annotations(annotations)
        self.store.drop_replays(but=replay)
        self._checkpoints.done(self.frames)
        self._saved_at, self.saving = time.monotonic(), False
        if self._saved_at > self._trimmed_at + _TRIM_SECONDS:
            give_back_memory()
            self._trimmed_at = self._saved_at

    def _load(self, checkpoint: State) -> None:
        self.frames = checkpoint["frames"]
        self.clock = Clock(checkpoint["wall_seconds"], checkpoint["cpu_seconds"], checkpoint["training_seconds"])
        frames, seconds = checkpoint["at_last_row"]
        self._at_last_row = (frames, seconds)
        self._means.load_state_dict(checkpoint["means"])
        self._evaluation.next, self._evaluated_at = checkpoint["next_evaluation"], checkpoint["evaluated_at"]
        self._rows.next = checkpoint["next_row"]
        self.parts.load_state_dict(checkpoint)
        # Where the running episodes cannot be put back, new ones begin, on levels of their own.
        seeds = seeding.env_seeds(self.config.seed, f"train_envs/{self.frames}", self.config.num_envs)
        self._learning.load_state_dict(checkpoint, seeds)
        if (name := checkpoint.get("replay")) is not None:
            self._learning.load_buffer(self.store.load_replay(name))
        self._checkpoints.done(self.frames)
