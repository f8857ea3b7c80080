"""Tasks read off pages that a random policy filled in, and drawn by how learnable they are

Paper: Gur et al. 2019, Learning to navigate the web (its meta-training; arXiv:1812.09195)
Assumes: state_restore

A random policy types values of an episode's own instruction into random fields, once to F times. What the page then
holds is read back into an instruction. An episode that begins with that instruction and an empty page is solved where
the page comes to hold the same. So no demonstration is needed. With `noise`, each pair is read with a random field at
that rate, and the instruction no longer says what is to be brought about.

Tasks are kept and drawn again by p (1 - p), p the share of tries that solved them, which is known from two tries on. So
those come back that are neither mastered nor out of reach (ours; Rutherford et al. 2024, arXiv:2408.15099, choose
levels so). What the random policy types takes no frames. In the paper a network learns to read pages; here reading is
exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.maths.forms import FIELD, TEXT, VALUE, WANTED, read_back
from rewardlab.parts.archives.learnable_tasks import LearnableTasks
from rewardlab.parts.form_starts import FormStarts
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import Array, BuildContext, Metrics, Obs, Outcomes, State

VERSION = 1
_ORDINARY = -1
_TOLD = (FIELD, VALUE, WANTED)  # what makes a task


@dataclass
class Config(CurriculumConfig):
    replay: float = option(0.5, "chance to draw a task that is kept instead of a new one", minimum=0, maximum=1)
    capacity: int = option(256, "tasks that are kept", above=0, maximum=100_000)
    noise: float = option(0.0, "chance of each pair to be read with a random field", minimum=0, maximum=1)
    ordinary: float = option(0.1, "share of episodes that begin as the task has it", minimum=0, maximum=1)


class Curriculum(FormStarts):
    """The tasks, and how often each was solved."""

    metrics = ("tasks/kept", "tasks/solved", "tasks/learnability")

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.config = config
        self.archive = LearnableTasks(config.capacity, config.replay, context.numpy_rng)
        self._tasks: dict[str, Array] = {}  # of each place in the archive
        self._made = np.full(config.capacity, -1)  # int64 [capacity]: the number of the task that is there
        self._solved: list[bool] = []  # since the last metrics

    def propose(self, count: int) -> tuple[Array, Array]:
        """The task's number, and its place in the archive."""
        task, at = np.full(count, _ORDINARY), np.zeros(count, dtype=np.int64)
        for i in np.flatnonzero(self._rng.random(count) >= self.config.ordinary).tolist():
            at[i], task[i] = self.archive.draw()
        return task, at

    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        if not self._tasks:
            self._tasks = {name: np.zeros((self.config.capacity, own[name].shape[1]), np.int64) for name in _TOLD}
        for i, at in enumerate(step.tolist()):
            if self._made[at] != self.archive.tasks[at]:
                self._make(at, {name: entry[i] for name, entry in own.items()})
                self._made[at] = self.archive.tasks[at]
        return own | {name: entry[step] for name, entry in self._tasks.items()} | {TEXT: np.zeros_like(own[TEXT])}

    def feedback(self, ended: Outcomes) -> None:
        for task, paid in zip(ended.trail.tolist(), ended.task_return.tolist(), strict=True):
            if task != _ORDINARY:
                self.archive.tell(task, paid > 0)
                self._solved.append(paid > 0)

    def update(self, progress: float) -> Metrics:
        metrics = {
            "tasks/kept": float((self.archive.tasks >= 0).sum()),
            "tasks/learnability": float(self.archive.learnability.max(initial=0.0)),
        }
        if self._solved:
            metrics["tasks/solved"] = sum(self._solved) / len(self._solved)
        self._solved = []
        return metrics

    def state_dict(self) -> State:
        tasks = {name: torch.from_numpy(entry.copy()) for name, entry in self._tasks.items()}
        made = torch.from_numpy(self._made.copy())
        return {"archive": self.archive.state_dict(), "tasks": tasks, "made": made, "solved": list(self._solved)}

    def load_state_dict(self, state: State) -> None:
        self.archive.load_state_dict(state["archive"])
        self._tasks = {name: entry.numpy().copy() for name, entry in state["tasks"].items()}
        self._made, self._solved = state["made"].numpy().copy(), list(state["solved"])

    def _make(self, at: int, own: dict[str, Array]) -> None:
        """A page that a random policy filled in, read back."""
        values, text = own[VALUE][own[VALUE] > 0], np.zeros_like(own[TEXT])
        for _ in range(int(self._rng.integers(1, len(own[VALUE]) + 1))):
            text[self._rng.integers(len(text))] = self._rng.choice(values)
        field, value = read_back(text[None], len(own[VALUE]), self._rng, self.config.noise)
        for name, entry in ((FIELD, field[0]), (VALUE, value[0]), (WANTED, text)):
            self._tasks[name][at] = entry
