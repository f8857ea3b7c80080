"""The laws of curricula that let training do what the task does not allow. A law takes a case, and raises `Broken`.

They hold in a small real grid world, whose states privileges change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rewardlab.contracts.curriculum_laws import grid
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import NUM_ENVS, global_seed, new_context, require_equal, restore, saved
from rewardlab.training.wrappers.action_env import ActionEnv
from rewardlab.types import Array, BuildContext, Obs, StepBatch, TensorObs

ROUNDS = 120
_SEEDS = list(range(NUM_ENVS))


@dataclass(frozen=True)
class PrivilegeCase:
    """Privileges to be tested."""

    privileges: Callable[[Any, BuildContext], Any]
    config: Any

    def build(self, seed: int = 3) -> tuple[Any, BuildContext]:
        context = new_context(grid(None).spec, seed)
        return self.privileges(self.config, context), context


def without_chance_it_is_the_task(case: PrivilegeCase) -> None:
    """The task's own actions then do what they do in the task, bit for bit."""
    privileges, _ = case.build()
    privileges.chance = 0.0
    plain, other = grid(None), ActionEnv(grid(None), privileges)
    both = zip(_steps(plain, plain.spec.action.n or 0), _steps(other, plain.spec.action.n or 0), strict=True)
    for number, (expected, found) in enumerate(both):
        for name, entry in vars(expected).items():
            one, two = (
                _tensors(each if isinstance(each, dict) else {name: each}) for each in (entry, vars(found)[name])
            )
            require_equal(one, two, f"{name} of step {number} without privileges")


def grants_states_and_actions_of_the_task(case: PrivilegeCase) -> None:
    """What is done is an action of the task, from a state of its own form; what it was shown stays as it is."""
    privileges, context = case.build()
    env, rng = grid(None), context.numpy_rng
    own = env.spec.action.n or 0
    env.reset(_SEEDS)
    for _ in range(ROUNDS):
        action = rng.integers(own + privileges.extra, size=NUM_ENVS)
        where = np.flatnonzero(privileges.wanted(action))
        require(bool((action < own)[~privileges.wanted(action)].all()), "an action beside the task's is not wanted")
        places = env.take_places(where)
        before, held = _tensors(places), rng.random(len(where)) < 0.5
        given, made, changed = privileges.grant(action[where], places, held)
        require_equal(before, _tensors(places), "a state that it was shown")
        require(bool(((given >= 0) & (given < own)).all()), f"it gives the actions {given.tolist()}")
        same = all(np.array_equal(made[name][~changed], places[name][~changed]) for name in places)
        require(same, "a state is changed, and it does not say so")
        if changed.any():
            env.put_places(where[changed], {name: entry[changed] for name, entry in made.items()})
        action[where] = given
        env.step(action)


def chance_falls_by_success_alone(case: PrivilegeCase) -> None:
    """It never rises, stays while all episodes fail, and is 0 after enough that succeed."""
    privileges, _ = case.build()
    for success, rounds in ((False, 50), (True, 2000), (False, 50)):
        begun = privileges.chance
        for _ in range(rounds):
            before = privileges.chance
            privileges.feedback(np.full(NUM_ENVS * 8, success))
            require(0 <= privileges.chance <= before, f"the chance goes from {before} to {privileges.chance}")
        require(success or privileges.chance == begun, "the chance falls although episodes fail")
    require(privileges.chance == 0, f"after all these successes the chance is {privileges.chance}")


def same_seed_same_steps(case: PrivilegeCase) -> None:
    """Two of one seed do the same, whatever the global random state."""
    found = []
    for seed in (1, 2):
        with global_seed(seed):
            privileges, _ = case.build()
            found.append(_history(ActionEnv(grid(None), privileges), privileges))
    require_equal(found[0], found[1], "a second run")


def state_round_trips(case: PrivilegeCase) -> None:
    """A checkpoint restores the state exactly, and what follows is what would have followed."""
    privileges, context = case.build()
    env = ActionEnv(grid(None), privileges)
    _history(env, privileges)
    state, worlds = saved(privileges, context), env.get_state()
    expected = _history(env, privileges, reset=False)
    other, other_context = case.build(seed=99)
    restore(other, other_context, state)
    require_equal(state, saved(other, other_context), "the restored state")
    again = ActionEnv(grid(None), other)
    again.reset(_SEEDS)
    again.set_state(worlds)
    require_equal(expected, _history(again, other, reset=False), "what follows a restored state")


def update_returns_declared_metrics(case: PrivilegeCase) -> None:
    """Finite numbers, under names that are declared."""
    privileges, _ = case.build()
    for told in (privileges.update(), privileges.feedback(np.ones(NUM_ENVS, dtype=bool)) or privileges.update()):
        for name, value in told.items():
            require(name in privileges.metrics, f"update returned {name}, which metrics does not declare")
            require(bool(np.isfinite(value)), f"update returned {name}={value}")


LAWS: tuple[Callable[[PrivilegeCase], None], ...] = (
    without_chance_it_is_the_task,
    grants_states_and_actions_of_the_task,
    chance_falls_by_success_alone,
    same_seed_same_steps,
    state_round_trips,
    update_returns_declared_metrics,
)


def _steps(env: Any, actions: int, reset: bool = True) -> Iterator[StepBatch]:
    rng = np.random.default_rng(5)
    if reset:
        env.reset(_SEEDS)
    for _ in range(ROUNDS):
        yield env.step(rng.integers(actions, size=NUM_ENVS))


def _history(env: ActionEnv, privileges: Any, reset: bool = True) -> list[Any]:
    history: list[Any] = []
    for number, batch in enumerate(_steps(env, env.spec.action.n or 0, reset)):
        history.append([_tensors(batch.obs), batch.task_reward.tolist(), batch.terminated.tolist()])
        if number % 10 == 0:
            privileges.feedback(np.ones(NUM_ENVS * 8, dtype=bool))
            history.append(privileges.update())
    return history


def _tensors(entries: Obs | dict[str, Array]) -> TensorObs:
    """Copies that `require_equal` compares; words without a sign as the same bits with one."""
    return {
        name: torch.from_numpy((entry.view(np.int64) if entry.dtype == np.uint64 else entry).copy())
        for name, entry in entries.items()
    }
