"""What the learner practises on: goals that are set, and where episodes begin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from rewardlab.types.aliases import Array, Metrics, Obs, State
from rewardlab.types.losses import AuxLoss
from rewardlab.types.steps import Rollout, StreamSpec
from rewardlab.types.worlds import ObsSpec


@dataclass
class Attempts:
    """B goals that came to an end, reached or not; arrays.

    goal: what `propose` gave, each entry [B, ...]. start: the full-state facts in which it did, each [B, ...].
    steps: int64 [B], from there to the end, the last one included. reached: bool [B].
    task_reward: float32 [B], the task's own of the last step.
    end: the facts of its last true successor. terminated: bool [B], whether the episode ended there, too.
    task_return: float64 [B], the task's own of all its steps, discounted from its beginning by the agent's gamma.
    """

    goal: Obs
    start: Obs
    steps: Array
    reached: Array
    task_reward: Array
    end: Obs
    terminated: Array
    task_return: Array


@dataclass(frozen=True)
class Asked:
    """B environments that a goal is wanted for.

    count: B. facts: the full-state facts of where they stand, each [B, ...]. before: the goals that ended there, each
    entry [B, ...]; empty at the very beginning. training: whether they train, or evaluate. begins: bool [B], whether an
    episode begins there; else the goal before was reached within it.
    """

    count: int
    facts: Obs
    before: Obs
    training: bool
    begins: Array


class Conditioner(Protocol):
    """Sets the agent goals, shows them in the observation and pays for reaching them: a curriculum, or a part of a
    scheme (`RewardScheme.conditioner`). It keeps what it has learnt; the goals that are pursued belong to the
    environments (`training/wrappers/goal_env.py`), so that evaluation has its own.

    A curriculum that says where episodes begin, too, has a class `Curriculum` beside it. In training the conditioner
    finds what that proposed in the fact `begun`.

    A goal lasts until it is reached or the episode ends, or it is given up (`past`, `patience`); then the next one is
    asked for. Entries of goals are its own affair: arrays [B, ...], one row for each of B environments.
    """

    obs: Mapping[str, ObsSpec]  # what it adds to the observation
    streams: tuple[StreamSpec, ...]  # what it pays for reaching, beside the scheme's streams
    assumes: frozenset[str]
    metrics: tuple[str, ...]  # names that update returns: columns of train.csv
    # Defaults of these stand in parts/conditioner.py.
    reads: tuple[str, ...]
    patience: int | None
    ends_values: bool

    def propose(self, asked: Asked, rng: torch.Generator) -> Obs:
        """Goals for the environments that it is asked for; one may be that which ended there."""

    def show(self, goal: Obs, facts: Obs) -> Obs:
        """The entries of `obs`, each [B, ...]: B goals as seen from where the environments stand."""

    def reached(self, goal: Obs, start: Obs, facts: Obs) -> Array:
        """bool [B]: whether goals set in `start` are reached in `facts`, the true successor of a step."""

    def past(self, goal: Obs, start: Obs, facts: Obs) -> Array | None:
        """bool [B]: whether goals set in `start` can't be reached any more in `facts`; None: no goal ever is."""

    def take_in(self, attempts: Attempts) -> None:
        """Goals that ended in training, after each vector step in which any did; weights stay as they are."""

    def compute(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        """What each step is paid, float32 [T, N] for each of `streams`, above 0 for reaching alone; the rollout's facts
        `goal_reached` (bool) and `goal_steps` (int64) are of the goal that the step pursued.
        """

    def aux_losses(self) -> tuple[AuxLoss, ...]:
        """Terms that it hands to the agent, as a scheme may; asked for once."""

    def update(self) -> Metrics:
        """Learn from what was taken in."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


@dataclass(frozen=True)
class Trail:
    """A way through a level, which can be walked again: the level's seed, its actions [L] and the rewards [L] on it.

    ends: whether the episode ends with its last step.
    """

    level: int
    action: Array
    reward: Array
    ends: bool = True


@dataclass(frozen=True)
class Outcomes:
    """B training episodes that came to an end; arrays.

    trail, step: int64 [B], where they began, as `Curriculum.propose` said.
    task_return: float64 [B], what the task paid from there on.
    """

    trail: Array
    step: Array
    task_return: Array


class Curriculum(Protocol):
    """Says where training episodes begin: in states along trails, in states that it makes (`PlaceCurriculum`), or as
    the task has it. Those of evaluation always begin as the task has it. The states belong to the environments
    (`training/wrappers/start_env.py`).
    """

    assumes: frozenset[str]
    metrics: tuple[str, ...]  # names that update returns: columns of train.csv

    def trails(self) -> tuple[Trail, ...] | None:
        """The ways along which episodes may begin: the same object as long as they are the same. None: it makes the
        states itself, as a `PlaceCurriculum`.
        """

    def propose(self, count: int) -> tuple[Array, Array]:
        """Where the next episodes begin, int64 [count] each: the trail, -1 for the task's own beginning, and after
        how many of its steps; of a `PlaceCurriculum` two numbers of its own.
        """

    def feedback(self, ended: Outcomes) -> None:
        """Training episodes that ended, after each vector step in which any did."""

    def update(self, progress: float) -> Metrics:
        """After each iteration; `progress` in [0, 1] is the share of the budget spent."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


class PlaceCurriculum(Curriculum, Protocol):
    """What a curriculum can do besides where `trails()` is None."""

    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        """The states in which B episodes begin, each entry [B, ...], in arrays of their own.

        Args:
            trail, step: int64 [B], as the latest `propose` gave them, without the task's own beginnings.
            own: the states in which the task would have them begin, as `PlaceableEnv.take_places` gives them.
        """


class Privileges(Protocol):
    """Lets training do what the task does not allow: a curriculum whose module has a class `Privileges`. Evaluations
    are the task's (`training/wrappers/action_env.py`).

    Attributes:
        extra: how many actions it adds, behind those of the task.
        chance: of having privileges; where it is 0, none are ever had again.
        per_episode: whether that is drawn for each training episode, or else for each action.
    """

    extra: int
    chance: float
    per_episode: bool
    assumes: frozenset[str]
    metrics: tuple[str, ...]  # names that update returns: columns of train.csv

    def wanted(self, action: Array) -> Array:
        """bool [N]: the actions, int64 [N], that may have a privilege; all those beside the task's."""

    def grant(self, action: Array, places: Obs, held: Array) -> tuple[Array, Obs, Array]:
        """What is done where actions are wanted.

        Args:
            action: int64 [B].
            places: the states that they are taken in, as `PlaceableEnv.take_places` gives them.
            held: bool [B], whether there are privileges.

        Returns:
            The task's actions that follow, int64 [B]; the states before these, in arrays of their own; where they are
            others than before, bool [B].
        """

    def feedback(self, success: Array) -> None:
        """Training episodes that ended, bool [B], after each vector step in which any did."""

    def update(self) -> Metrics:
        """After each iteration."""

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...
