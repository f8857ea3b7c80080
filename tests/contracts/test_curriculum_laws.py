"""Each law of curricula is broken on purpose."""

import copy
from typing import Any

import numpy as np
import pytest

from rewardlab.contracts.curriculum_laws import LAWS, CurriculumCase
from rewardlab.contracts.result import Broken
from rewardlab.curricula import backplay, formfill_goals, formfill_warm
from rewardlab.types import Array, Metrics, Obs, State, Trail


class BeyondTheEnd(backplay.Curriculum):
    def propose(self, count: int) -> tuple[Array, Array]:
        trail, step = super().propose(count)
        return trail, np.where(trail >= 0, step + 1, 0)


class NewTrailsEachTime(backplay.Curriculum):
    def trails(self) -> tuple[Trail, ...]:
        return tuple(copy.copy(trail) for trail in super().trails())


class PaidElsewhere(backplay.Curriculum):
    def _read(self) -> tuple[Trail, ...]:
        super()._read()
        self._trails = tuple(Trail(way.level, way.action[::-1].copy(), way.reward) for way in self._trails)
        return self._trails


class GlobalRandomness(backplay.Curriculum):
    def propose(self, count: int) -> tuple[Array, Array]:
        trail, step = super().propose(count)
        ordinary = np.random.random(count) < 0.5
        return np.where(ordinary, -1, trail), np.where(ordinary, 0, step)


class ForgetsItsReach(backplay.Curriculum):
    def load_state_dict(self, state: State) -> None:
        pass


class UndeclaredMetric(backplay.Curriculum):
    def update(self, progress: float) -> Metrics:
        return super().update(progress) | {"starts/other": 0.0}


class ChangesWhatItIsShown(formfill_warm.Curriculum):
    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        own["text"][:] = own["wanted"]
        return own


class LeavesOutAnEntry(formfill_goals.Curriculum):
    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        return {name: entry for name, entry in super().places(trail, step, own).items() if name != "steps"}


class MadeByGlobalRandomness(formfill_goals.Curriculum):
    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        return own | {"text": np.random.randint(3, size=own["text"].shape)}


class ForgetsItsShare(formfill_warm.Curriculum):
    def load_state_dict(self, state: State) -> None:
        pass


BROKEN = [
    (BeyondTheEnd, "proposes_what_is_there", "has no step"),
    (NewTrailsEachTime, "trails_stay_the_same_object", "a new object each time"),
    (PaidElsewhere, "what_is_left_of_a_trail_can_be_walked", "does not happen again"),
    (GlobalRandomness, "same_seed_same_beginnings", "a second run"),
    (ForgetsItsReach, "state_round_trips", "the restored state"),
    (ChangesWhatItIsShown, "made_states_are_states", "the task's own state"),
    (LeavesOutAnEntry, "made_states_are_states", "made states have"),
    (MadeByGlobalRandomness, "same_seed_same_beginnings", "a second run"),
    (ForgetsItsShare, "state_round_trips", "the restored state"),
    (UndeclaredMetric, "update_returns_declared_metrics", "starts/other"),
]


def config_of(curriculum: Any) -> Any:
    if issubclass(curriculum, formfill_warm.Curriculum):
        return formfill_warm.Config(name="broken")
    if issubclass(curriculum, formfill_goals.Curriculum):
        return formfill_goals.Config(name="broken")
    return backplay.Config(name="broken", stride=2, trials=4)


@pytest.mark.parametrize(("curriculum", "law", "message"), BROKEN, ids=[one.__name__ for one, *_ in BROKEN])
def test_a_broken_curriculum_fails_its_law(curriculum: Any, law: str, message: str) -> None:
    laws = {each.__name__: each for each in LAWS}
    with pytest.raises(Exception, match=message) as failure:
        laws[law](CurriculumCase(curriculum, config_of(curriculum)))
    assert isinstance(failure.value, Broken) or "level" in str(failure.value)


def test_every_law_can_be_broken() -> None:
    assert {law.__name__ for law in LAWS} == {law for _, law, _ in BROKEN}
