"""Backplay: episodes begin along demonstrations, first near their ends, then ever farther back

Paper: Resnick et al. 2018, Backplay: man muss immer umkehren (arXiv:1807.06919)
Assumes: demos, state_restore

advance=success is the backward algorithm of Salimans and Chen 2018, Learning Montezuma's Revenge from a single
demonstration (arXiv:1812.03381): starts move back once the agent does about as well from them
as the demonstrations. advance=schedule is Backplay's: they move back with the budget, whatever the agent does. A state
comes with the steps that led to it, so that the time limit and the reward are those of the whole way; evaluation and a
share of the training episodes begin as the task has it. The return in train.csv is of all training episodes, so that
early on it is of those that begin near the end.

The first paper draws from windows set by hand for each task; the second has one demonstration, moves back after each
success of a fifth of the workers (threshold=0.2) and pays only what equals the demonstration. Here demonstrations may
be many, on as many levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.datasets.demonstrations import UNKNOWN_LEVEL
from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.parts.archives.backward_starts import METRICS, BackwardOptions, BackwardStarts
from rewardlab.schemas import CurriculumConfig
from rewardlab.types import Array, BuildContext, Metrics, Outcomes, State, Trail

VERSION = 1


@dataclass
class Config(BackwardOptions, DemosOptions, CurriculumConfig):
    pass


class Curriculum:
    """The demonstrations, read when the first episode begins, and the starting points on them."""

    assumes = frozenset({"demos", "state_restore"})
    metrics = METRICS

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: no demonstrations, or they do not fit the environment.
        """
        if config.demos is None:
            raise UserError("curriculum.demos=null: name demonstrations, such as rewardlab demos records")
        self._config, self._rng = config, context.numpy_rng
        self._file = config.demonstrations("curriculum", context.spec)
        self._trails: tuple[Trail, ...] = ()
        self._kept: BackwardStarts | None = None

    def trails(self) -> tuple[Trail, ...]:
        return self._trails if self._kept is not None else self._read()

    def propose(self, count: int) -> tuple[Array, Array]:
        return self._starts.propose(count)

    def feedback(self, ended: Outcomes) -> None:
        self._starts.feedback(ended)

    def update(self, progress: float) -> Metrics:
        return self._starts.update(progress)

    def state_dict(self) -> State:
        return self._starts.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._starts.load_state_dict(state)

    @property
    def _starts(self) -> BackwardStarts:
        if self._kept is None:
            self._read()
        assert self._kept is not None
        return self._kept

    def _read(self) -> tuple[Trail, ...]:
        found = self._file.read()
        if (found.levels == UNKNOWN_LEVEL).any():
            raise UserError(f"curriculum.demos={self._config.demos}: does not say on which levels its episodes were")
        self._trails = tuple(
            Trail(int(level), np.asarray(episode.action), episode.task_reward.numpy())
            for level, episode in zip(found.levels, found.episodes, strict=True)
        )
        self._kept = BackwardStarts(self._config, self._trails, self._rng)
        return self._trails
