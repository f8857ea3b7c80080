"""Each law of designers is broken on purpose."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from rewardlab.contracts.designer_laws import LAWS, DesignerCase
from rewardlab.contracts.result import Broken
from rewardlab.curricula.designed_levels import Config, Designer
from rewardlab.gridworld.mazes import Mazes
from rewardlab.training.collect import Collector
from rewardlab.types import Metrics, Played, Round, State


class OnItsGoal(Designer):
    def design(self, count: int, rng: np.random.Generator) -> Round:
        round_ = super().design(count, rng)
        (one,) = round_.levels
        return Round((Mazes(one.walls, one.start, one.heading, one.start),), round_.highest)


class GlobalRandomness(Designer):
    def design(self, count: int, rng: np.random.Generator) -> Round:
        return super().design(count, np.random.default_rng(np.random.randint(1000)))


class ForgetsItsParents(Designer):
    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state | {"parents": None})


class UndeclaredMetric(Designer):
    def update(self, progress: float) -> Metrics:
        return {"levels/other": 0.0}


class ChangesScores(Designer):
    def played(self, round_: Round, played: Sequence[Played]) -> Metrics:
        played[0].values[:] = 0.0
        return super().played(round_, played)


BROKEN = [
    (OnItsGoal, "designs_levels_for_all", "stands on its goal"),
    (GlobalRandomness, "same_seed_same_levels", "a second run"),
    (ForgetsItsParents, "state_round_trips", "the restored state"),
    (UndeclaredMetric, "tells_declared_metrics", "levels/other"),
    (ChangesScores, "what_is_told_is_left_alone", "changed what it was told"),
]
_LAWS = {law.__name__: law for law in LAWS}


def _config(**options: Any) -> Config:
    given = {"generator": "uniform", "walls": 5, "edits": 2, "replay_prob": 0.8, "learn_on_new": False} | options
    return Config(name="broken", plugin="designed_levels", **given)


@pytest.mark.parametrize(("designer", "law", "message"), BROKEN, ids=[one.__name__ for one, *_ in BROKEN])
def test_a_broken_designer_fails_its_law(designer: type, law: str, message: str) -> None:
    with pytest.raises(Broken, match=message):
        _LAWS[law](DesignerCase(designer, _config()))
    _LAWS[law](DesignerCase(Designer, _config()))


def test_a_student_that_moves_where_levels_are_only_tried_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    collect = Collector.collect

    def moves(collector: Collector, *arguments: Any) -> Any:
        next(iter(collector.agent.network.parameters())).data += 1e-3  # type: ignore[attr-defined]  # PPO's
        return collect(collector, *arguments)

    monkeypatch.setattr(Collector, "collect", moves)
    with pytest.raises(Broken, match="only tried"):
        _LAWS["students_stay_where_levels_are_only_tried"](DesignerCase(Designer, _config()))
