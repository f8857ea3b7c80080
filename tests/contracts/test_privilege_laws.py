"""Each law of privileges is broken on purpose."""

from typing import Any

import numpy as np
import pytest

from rewardlab.contracts.privilege_laws import LAWS, PrivilegeCase
from rewardlab.contracts.result import Broken
from rewardlab.curricula.privileged_actions import Config, Privileges
from rewardlab.types import Array, Metrics, Obs, State


class IdleWithoutPrivileges(Privileges):
    @property
    def chance(self) -> float:
        return 0.5

    @chance.setter
    def chance(self, value: float) -> None: ...


class ChangesWhatItIsShown(Privileges):
    def grant(self, action: Array, places: Obs, held: Array) -> tuple[Array, Obs, Array]:
        places["agent"][:, 2] = 0
        return super().grant(action, places, held)


class HandsOnItsOwnActions(Privileges):
    def grant(self, action: Array, places: Obs, held: Array) -> tuple[Array, Obs, Array]:
        _, made, changed = super().grant(action, places, held)
        return action + 7, made, changed


class FallsAnyway(Privileges):
    def feedback(self, success: Array) -> None:
        super().feedback(np.ones_like(success))


class NeverFalls(Privileges):
    def feedback(self, success: Array) -> None: ...


class GlobalRandomness(Privileges):
    def grant(self, action: Array, places: Obs, held: Array) -> tuple[Array, Obs, Array]:
        return super().grant(action, places, np.random.random(len(held)) < 0.5)


class ForgetsItsChance(Privileges):
    def load_state_dict(self, state: State) -> None: ...


class UndeclaredMetric(Privileges):
    def update(self) -> Metrics:
        return super().update() | {"privileges/other": 0.0}


BROKEN = [
    (IdleWithoutPrivileges, "without_chance_it_is_the_task", "without privileges"),
    (ChangesWhatItIsShown, "grants_states_and_actions_of_the_task", "it was shown"),
    (HandsOnItsOwnActions, "grants_states_and_actions_of_the_task", "gives the actions"),
    (FallsAnyway, "chance_falls_by_success_alone", "although episodes fail"),
    (NeverFalls, "chance_falls_by_success_alone", "all these successes"),
    (GlobalRandomness, "same_seed_same_steps", "a second run"),
    (ForgetsItsChance, "state_round_trips", "the restored state"),
    (UndeclaredMetric, "update_returns_declared_metrics", "privileges/other"),
]


@pytest.mark.parametrize(("privileges", "law", "message"), BROKEN, ids=[one.__name__ for one, *_ in BROKEN])
def test_broken_privileges_fail_their_law(privileges: Any, law: str, message: str) -> None:
    laws = {each.__name__: each for each in LAWS}
    with pytest.raises(Broken, match=message):
        laws[law](PrivilegeCase(privileges, Config(name="broken", privileges=["walls", "locks"])))


def test_every_law_can_be_broken() -> None:
    assert {law.__name__ for law in LAWS} == {law for _, law, _ in BROKEN}
