"""The laws of curricula, which say where episodes begin. A law takes a case, and raises `Broken` where it is broken.

They hold in a small real world: states along trails exist only where something happens.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.contracts.datasets import solved
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import NUM_ENVS, global_seed, new_context, require_equal, restore, saved
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.training.wrappers.start_env import StartEnv
from rewardlab.types import Array, BuildContext, Outcomes, VecEnv

ROUNDS = 60
_WORLD, _CHOICE = "MiniGrid-DoorKey-5x5-v0", "env=doorkey_5x5"


@dataclass(frozen=True)
class CurriculumCase:
    """A curriculum to be tested; where it learns from demonstrations, it is given some of the solver's."""

    curriculum: Callable[[Any, BuildContext], Any]
    config: Any

    def build(self, seed: int = 3) -> tuple[Any, BuildContext]:
        config = copy(self.config)
        if getattr(config, "demos", "") is None:
            config.demos = solved(_CHOICE)
        context = new_context(world(None).spec, seed)
        return self.curriculum(config, context), context


def world(lists: Any) -> VecEnv:
    count = NUM_ENVS if lists is None else len(lists)
    return minigrid.make(minigrid.Config(id=_WORLD), Levels(count, lists=lists))


def proposes_what_is_there(case: CurriculumCase) -> None:
    """Every beginning is on a trail, before its end, or the task's own."""
    curriculum, _ = case.build()
    for step in range(ROUNDS):
        trail, at = curriculum.propose(NUM_ENVS)
        require(trail.shape == at.shape == (NUM_ENVS,), f"{NUM_ENVS} were asked for, and {trail.shape} came")
        for i, t in zip(trail.tolist(), at.tolist(), strict=True):
            require(-1 <= i < len(curriculum.trails()), f"there is no trail {i}")
            require(i >= 0 or t == 0, f"an ordinary beginning cannot come after {t} steps")
            require(i < 0 or 0 <= t < len(curriculum.trails()[i].action), f"trail {i} has no step {t}")
        _answer(curriculum, trail, at, step)


def trails_stay_the_same_object(case: CurriculumCase) -> None:
    """Else they would be walked anew at every reset."""
    curriculum, _ = case.build()
    trails = curriculum.trails()
    curriculum.propose(NUM_ENVS)
    require(curriculum.trails() is trails, "trails() gives a new object each time")


def what_is_left_of_a_trail_can_be_walked(case: CurriculumCase) -> None:
    """From where an episode begins, the rest of the trail ends it and is paid as it was."""
    curriculum, _ = case.build()
    env = StartEnv(world(None), _Noted(curriculum), world)
    env.reset(list(range(NUM_ENVS)))
    walked = 0
    trail, at = (entry.copy() for entry in env.begun)
    for _ in range(ROUNDS * 4):
        trails = [curriculum.trails()[i] if i >= 0 else None for i in trail.tolist()]
        action = [0 if way is None else int(way.action[t]) for way, t in zip(trails, at, strict=True)]
        batch = env.step(np.array(action))
        ended = batch.terminated | batch.truncated
        for i, way in enumerate(trails):
            if way is not None:
                last = at[i] + 1 == len(way.action)
                require(bool(ended[i]) == last, f"step {at[i]} of a trail ended its episode, or the last did not")
                require(abs(float(batch.task_reward[i] - way.reward[at[i]])) < 1e-4, "a step of a trail is paid else")
                walked += last
        trail, at = np.where(ended, env.begun[0], trail), np.where(ended, env.begun[1], at + 1)
    require(walked > 0 or not curriculum.trails(), "no episode began on a trail")


def same_seed_same_beginnings(case: CurriculumCase) -> None:
    """Two curricula from one seed propose the same, whatever the global random state."""
    found = []
    for seed in (1, 2):
        with global_seed(seed):
            found.append(_history(case.build()[0], ROUNDS))
    require_equal(found[0], found[1], "a second run")


def state_round_trips(case: CurriculumCase) -> None:
    """A checkpoint restores the state exactly, and what follows is what would have followed."""
    curriculum, context = case.build()
    _history(curriculum, ROUNDS)
    state = saved(curriculum, context)
    expected = _history(curriculum, ROUNDS)
    other, other_context = case.build(seed=99)
    restore(other, other_context, state)
    require_equal(state, saved(other, other_context), "the restored state")
    require_equal(expected, _history(other, ROUNDS), "what follows a restored state")


def update_returns_declared_metrics(case: CurriculumCase) -> None:
    """Finite numbers, under names that are declared."""
    curriculum, _ = case.build()
    for progress in (0.0, 0.5, 1.0):
        trail, at = curriculum.propose(NUM_ENVS)
        _answer(curriculum, trail, at, 0)
        for name, value in curriculum.update(progress).items():
            require(name in curriculum.metrics, f"update returned {name}, which metrics does not declare")
            require(bool(np.isfinite(value)), f"update returned {name}={value}")


LAWS: tuple[Callable[[CurriculumCase], None], ...] = (
    proposes_what_is_there,
    trails_stay_the_same_object,
    what_is_left_of_a_trail_can_be_walked,
    same_seed_same_beginnings,
    state_round_trips,
    update_returns_declared_metrics,
)


class _Noted:
    """A curriculum that hears nothing of how episodes end."""

    def __init__(self, curriculum: Any) -> None:
        self.assumes, self.metrics = curriculum.assumes, curriculum.metrics
        self.trails, self.propose, self.update = curriculum.trails, curriculum.propose, curriculum.update
        self.state_dict, self.load_state_dict = curriculum.state_dict, curriculum.load_state_dict

    def feedback(self, ended: Outcomes) -> None: ...


def _history(curriculum: Any, rounds: int) -> list[Any]:
    history: list[Any] = []
    for round_ in range(rounds):
        trail, at = curriculum.propose(NUM_ENVS)
        _answer(curriculum, trail, at, round_)
        history.append([trail.tolist(), at.tolist(), curriculum.update(round_ / rounds)])
    return history


def _answer(curriculum: Any, trail: Array, at: Array, round_: int) -> None:
    """Two episodes of three are paid."""
    paid = np.array([float((round_ + i) % 3 > 0) for i in range(NUM_ENVS)])
    curriculum.feedback(Outcomes(trail, at, paid))
