"""Levels that a designer chooses for the learner, and what came of them: `training/learning/level_rounds.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from rewardlab.types.aliases import Array, Metrics, State

NEW, REPLAYED, EDITED, SAMPLED = "new", "replayed", "edited", "sampled"  # where the levels of a round come from
ORIGINS = (NEW, REPLAYED, EDITED, SAMPLED)


@dataclass(frozen=True)
class Round:
    """What N environments play: a level each, from its beginning, for a rollout of each student.

    Attributes:
        levels: for each of S students N levels (`gridworld.mazes.Mazes`); often the same ones.
        highest: float64 [N] for each student, the best return that it ever had on the level; -inf where it had none.
        learn: whether the students learn from it. Without, the levels are only tried, and every student stays as it is.
        origin: one of `ORIGINS`.
        rollouts: how many follow one another on these levels, episodes running on; where nobody learns.
    """

    levels: Sequence[Any]
    highest: Sequence[Array]
    learn: bool = True
    origin: str = NEW
    rollouts: int = 1


@dataclass(frozen=True)
class Attempted:
    """What one student got of N levels in a rollout.

    Attributes:
        count: int64 [N], whole episodes.
        mean, best: float64 [N], of their undiscounted returns; NaN where there are none.
        solved: float64 [N], share of them that succeeded; NaN likewise.
    """

    count: Array
    mean: Array
    best: Array
    solved: Array


@dataclass(frozen=True)
class Played:
    """What one student did on the N levels of a round, in T steps of each; of the task's own reward, in its units.

    What the end of the round cut is in the rows of steps, and in nothing else.

    Attributes:
        advantages, values: float64 [T, N], as the student estimated them.
        ended: bool [T, N], the last steps of episodes.
        tried: whole episodes.
        highest: float64 [N], best returns of this student on the level ever, this round included; -inf: none yet.
        steps: int64 [N], fewest steps to success by the solver; -1: there is no way.
        regret: float64 [N], what the optimum is above the mean return; NaN where no whole episode tells.
    """

    advantages: Array
    values: Array
    ended: Array
    tried: Attempted
    highest: Array
    steps: Array
    regret: Array


class LevelDesigner(Protocol):
    """Chooses the levels of a round, and learns which to choose. A curriculum whose module has a class `Designer`.

    `metrics` are columns of train.csv; of those in `counts` the latest value is told.
    """

    turns: ClassVar[Mapping[str, str]]  # a way of learning -> what the agent learns from instead
    assumes: frozenset[str]
    metrics: tuple[str, ...]
    counts: tuple[str, ...]
    students: int  # S, 1 or 2: the second has an agent and a scheme of its own

    def design(self, count: int, rng: np.random.Generator) -> Round:
        """Levels for so many environments."""

    def only_tried(self, count: int) -> int:
        """How many rollouts of each student, in so many environments, come before the first that it may learn from, at
        least.
        """

    def played(self, round_: Round, played: Sequence[Played]) -> Metrics:
        """What each student did on the levels of the latest round; after those who may have learned from it."""

    def update(self, progress: float) -> Metrics:
        """After each round; `progress` in [0, 1] is the share of the budget spent before it."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...
