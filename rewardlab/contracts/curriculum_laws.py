"""The laws of curricula, which say where episodes begin. A law takes a case, and raises `Broken` where it is broken.

They hold in a small real world, of several the first that fits: states along trails exist only where something happens.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch

from rewardlab.contracts.datasets import solved
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import NUM_ENVS, global_seed, new_context, require_equal, restore, saved
from rewardlab.envs.arrays import formfill
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.training.wrappers.start_env import StartEnv
from rewardlab.types import Array, BuildContext, Obs, Outcomes, PlaceableEnv, TensorObs

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
        context = new_context(self.world(None).spec, seed)
        return self.curriculum(config, context), context

    @property
    def world(self) -> Callable[[Any], PlaceableEnv]:
        """What makes the first world that it does not refuse, or the first of all."""
        for made in (grid, form):
            try:
                self.curriculum(self.config, new_context(made(None).spec, 0))
            except UserError:
                continue
            return made
        return grid


def grid(lists: Any) -> PlaceableEnv:
    count = NUM_ENVS if lists is None else len(lists)
    return cast(PlaceableEnv, minigrid.make(minigrid.Config(id=_WORLD), Levels(count, lists=lists)))


def form(lists: Any) -> PlaceableEnv:
    count = NUM_ENVS if lists is None else len(lists)
    return formfill.make(formfill.Config(), Levels(count, lists=lists))


def proposes_what_is_there(case: CurriculumCase) -> None:
    """Every beginning is on a trail, before its end, or the task's own; of one that makes states, any number."""
    curriculum, _ = case.build()
    for step in range(ROUNDS):
        trail, at = curriculum.propose(NUM_ENVS)
        require(trail.shape == at.shape == (NUM_ENVS,), f"{NUM_ENVS} were asked for, and {trail.shape} came")
        trails = curriculum.trails()
        for i, t in zip(trail.tolist(), at.tolist(), strict=True):
            require(i >= -1 and (trails is None or i < len(trails)), f"there is no trail {i}")
            require(i >= 0 or t == 0, f"an ordinary beginning cannot come after {t} steps")
            require(i < 0 or trails is None or 0 <= t < len(trails[i].action), f"trail {i} has no step {t}")
        _answer(curriculum, trail, at, step)


def made_states_are_states(case: CurriculumCase) -> None:
    """States that it makes are of the world's own form, leave those of the task alone, and can be begun in."""
    curriculum, _ = case.build()
    if curriculum.trails() is not None:
        return
    env = case.world(None)
    env.reset(list(range(NUM_ENVS)))
    every = np.arange(NUM_ENVS)
    for step in range(ROUNDS):
        trail, at = curriculum.propose(NUM_ENVS)
        where = np.flatnonzero(trail >= 0)
        own = env.take_places(where)
        kept = _tensors(own)
        made = curriculum.places(trail[where], at[where], own)
        require_equal(kept, _tensors(own), "the task's own state, which it was shown,")
        require(set(made) == set(own), f"made states have {sorted(made)} instead of {sorted(own)}")
        for name, entry in own.items():
            found = made[name]
            same = found.shape == entry.shape and found.dtype == entry.dtype
            require(
                same, f"{name} of made states is {found.dtype} {found.shape} instead of {entry.dtype} {entry.shape}"
            )
        shown = env.put_places(where, made)
        require_equal(_tensors(made), _tensors(env.take_places(where)), "a made state, put and taken,")
        for name, wanted in env.spec.obs.items():
            require(shown[name].shape == (NUM_ENVS, *wanted.shape), f"a made state shows {name} of another shape")
        env.step(np.zeros_like(every))
        curriculum.update(step / ROUNDS)
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
    if curriculum.trails() is None:
        return
    env = StartEnv(case.world(None), _Noted(curriculum), case.world)
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
            found.append(_history(case, case.build()[0]))
    require_equal(found[0], found[1], "a second run")


def state_round_trips(case: CurriculumCase) -> None:
    """A checkpoint restores the state exactly, and what follows is what would have followed."""
    curriculum, context = case.build()
    _history(case, curriculum)
    state = saved(curriculum, context)
    expected = _history(case, curriculum)
    other, other_context = case.build(seed=99)
    restore(other, other_context, state)
    require_equal(state, saved(other, other_context), "the restored state")
    require_equal(expected, _history(case, other), "what follows a restored state")


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
    made_states_are_states,
    trails_stay_the_same_object,
    what_is_left_of_a_trail_can_be_walked,
    same_seed_same_beginnings,
    state_round_trips,
    update_returns_declared_metrics,
)


class _Noted:
    """A curriculum that hears nothing of how episodes end."""

    def __init__(self, curriculum: Any) -> None:
        self._curriculum = curriculum

    def __getattr__(self, name: str) -> Any:
        return getattr(self._curriculum, name)

    def feedback(self, ended: Outcomes) -> None: ...


def _history(case: CurriculumCase, curriculum: Any) -> list[Any]:
    history: list[Any] = []
    for round_ in range(ROUNDS):
        trail, at = curriculum.propose(NUM_ENVS)
        made = _made(case, curriculum, trail, at) if curriculum.trails() is None else {}
        _answer(curriculum, trail, at, round_)
        history.append([trail.tolist(), at.tolist(), made, curriculum.update(round_ / ROUNDS)])
    return history


def _made(case: CurriculumCase, curriculum: Any, trail: Array, at: Array) -> TensorObs:
    """What it makes of the states in which the task would have episodes begin."""
    env, where = case.world(None), np.flatnonzero(trail >= 0)
    env.reset(list(range(NUM_ENVS)))
    return _tensors(curriculum.places(trail[where], at[where], env.take_places(where)))


def _tensors(places: Obs) -> TensorObs:
    """Copies that `require_equal` compares."""
    return {name: torch.from_numpy(entry.copy()) for name, entry in places.items()}


def _answer(curriculum: Any, trail: Array, at: Array, round_: int) -> None:
    """Two episodes of three are paid."""
    paid = np.array([float((round_ + i) % 3 > 0) for i in range(NUM_ENVS)])
    curriculum.feedback(Outcomes(trail, at, paid))
