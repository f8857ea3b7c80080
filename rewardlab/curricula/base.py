"""What curricula along demonstrations have in common: they are read when the first episode begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from rewardlab.datasets.demonstrations import UNKNOWN_LEVEL
from rewardlab.datasets.options import DemosOptions
from rewardlab.errors import UserError
from rewardlab.schemas import CurriculumConfig
from rewardlab.types import Array, BuildContext, Metrics, Outcomes, State, Trail


@dataclass
class DemosCurriculumConfig(DemosOptions, CurriculumConfig):
    """The options of a curriculum along demonstrations."""


class Starts(Protocol):
    """Draws where episodes begin along trails; see `Curriculum` for each method."""

    def propose(self, count: int) -> tuple[Array, Array]: ...

    def feedback(self, ended: Outcomes) -> None: ...

    def update(self, progress: float) -> Metrics: ...

    def state_dict(self) -> State: ...

    def load_state_dict(self, state: State) -> None: ...


C = TypeVar("C", bound=DemosCurriculumConfig)


class AlongDemonstrations(Generic[C]):
    """A curriculum whose episodes begin along demonstrations, where `make_starts` says."""

    assumes = frozenset({"demos", "state_restore"})

    def __init__(self, config: C, context: BuildContext) -> None:
        """Raises:
        UserError: no demonstrations, or they do not fit the environment.
        """
        if config.demos is None:
            raise UserError("curriculum.demos=null: name demonstrations, such as rewardlab demos records")
        self._config, self._rng = config, context.numpy_rng
        self._file = config.demonstrations("curriculum", context.spec)
        self._trails: tuple[Trail, ...] = ()
        self._kept: Starts | None = None

    def make_starts(self, trails: tuple[Trail, ...], rng: np.random.Generator) -> Starts:
        """What draws the starts, once the demonstrations are read."""
        raise NotImplementedError

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
    def _starts(self) -> Starts:
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
        self._kept = self.make_starts(self._trails, self._rng)
        return self._trails
