"""The laws of curricula that design levels. A law takes a case, and raises `Broken` where it is broken.

Designers are told of made-up play on mazes of five cells a side; the last law holds in a small real world.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.config import composition
from rewardlab.contracts.result import require
from rewardlab.contracts.state_laws import NUM_ENVS, global_seed, new_context, require_equal, restore, saved
from rewardlab.gridworld.mazes import Mazes, distances
from rewardlab.maths.level_scores import attempted, oracle_regret
from rewardlab.training.build import build
from rewardlab.training.learning.base import make_learning
from rewardlab.types import ActionSpec, Array, BuildContext, EnvSpec, Played, Round
from rewardlab.types.levels import ORIGINS

ROUNDS = 30
_SIZE, _STEPS, _LIMIT = 5, 24, 20
_SPEC = EnvSpec("mazes", {}, ActionSpec(n=7), max_steps=_LIMIT, mazes=_SIZE)
_RUN = ("env=maze", f"env.size={_SIZE}", "env.walls=6", f"env.max_steps={_LIMIT}", f"num_envs={NUM_ENVS}",
        f"agent.rollout_steps={_STEPS}", "agent.hidden=[8]", "frames=100_000", "reward=rnd")  # fmt: skip


@dataclass(frozen=True)
class DesignerCase:
    """A designer to be tested."""

    designer: Callable[[Any, BuildContext], Any]
    config: Any

    def build(self, seed: int = 3) -> tuple[Any, BuildContext]:
        config, context = copy(self.config), new_context(_SPEC, seed)
        if hasattr(config, "archive"):
            config.archive = 3 * NUM_ENVS  # so small that it fills
        return self.designer(config, context), context


def designs_levels_for_all(case: DesignerCase) -> None:
    """A maze for each environment and student, with a goal and an agent on different free cells."""
    designer, context = case.build()
    for number in range(ROUNDS):
        round_ = designer.design(NUM_ENVS, context.numpy_rng)
        lists = (len(round_.levels), len(round_.highest))
        require(lists == (designer.students,) * 2, f"levels and best returns are of {lists} students")
        require(round_.origin in ORIGINS, f"a round's origin is {round_.origin}")
        require(round_.rollouts == 1 or not round_.learn, "students learn from one rollout, and several were asked for")
        for levels, highest in zip(round_.levels, round_.highest, strict=True):
            _require_whole(levels)
            require(highest.shape == (NUM_ENVS,), f"best returns have shape {highest.shape}")
        designer.played(round_, _played(round_, number))
        designer.update(number / ROUNDS)


def same_seed_same_levels(case: DesignerCase) -> None:
    """Two designers from one seed design the same, whatever the global random state."""
    found = []
    for seed in (1, 2):
        with global_seed(seed):
            found.append(_history(*case.build()))
    require_equal(found[0], found[1], "a second run")


def state_round_trips(case: DesignerCase) -> None:
    """A checkpoint restores the state exactly, after any round, and what follows is what would have followed."""
    designer, context = case.build()
    for number in range(ROUNDS):
        _history(designer, context, 1, number)
        if number % 5 in (3, 4):  # two in a row: one may be announced by the other
            state = saved(designer, context)
            other, other_context = case.build(seed=99)
            restore(other, other_context, state)
            require_equal(state, saved(other, other_context), "the restored state")
    expected = _history(designer, context, 6, ROUNDS)
    require_equal(expected, _history(other, other_context, 6, ROUNDS), "what follows a restored state")


def tells_declared_metrics(case: DesignerCase) -> None:
    """Finite numbers, under names that are declared; counts are among them."""
    designer, context = case.build()
    require(set(designer.counts) <= set(designer.metrics), "counts hold names that metrics do not declare")
    for number in range(ROUNDS):
        round_ = designer.design(NUM_ENVS, context.numpy_rng)
        told = designer.played(round_, _played(round_, number)) | designer.update(number / ROUNDS)
        for name, value in told.items():
            require(name in designer.metrics, f"{name} is told, which metrics does not declare")
            require(bool(np.isfinite(value)), f"{name}={value} is told")


def what_is_told_is_left_alone(case: DesignerCase) -> None:
    """Neither the levels of a round nor what was done on them are changed."""
    designer, context = case.build()
    for number in range(ROUNDS):
        round_ = designer.design(NUM_ENVS, context.numpy_rng)
        played = _played(round_, number)
        before = _entries(round_, played)
        designer.played(round_, played)
        same = map(np.array_equal, before, _entries(round_, played))
        require(all(same), "a designer changed what it was told")


def students_stay_where_levels_are_only_tried(case: DesignerCase) -> None:
    """A round from which nobody learns leaves every student, and what pays it, as they were, bit for bit."""
    config = composition.compose(list(_RUN)).config
    config.curriculum = copy(case.config)
    for name, small in (("archive", 2 * NUM_ENVS), ("sampled", NUM_ENVS), ("keep", 2)):
        if hasattr(config.curriculum, name):
            setattr(config.curriculum, name, small)
    parts = build(config)
    learning, spent, seen = make_learning(config, parts), 0, set()
    try:
        for _ in range(6):
            before = _students(parts)
            frames, told = learning.iterate(spent)
            learned = {name: value for each in told for name, value in each.items()}["levels/learned"]
            if not learned:
                require_equal(before, _students(parts), "a student after levels that were only tried")
            spent += frames
            seen.add(learned)
            require(frames % (_STEPS * NUM_ENVS) == 0 and frames > 0, f"a round counts {frames} frames")
    finally:
        parts.env.close()
    require(1.0 in seen, "students never learn")


LAWS: tuple[Callable[[DesignerCase], None], ...] = (
    designs_levels_for_all,
    same_seed_same_levels,
    state_round_trips,
    tells_declared_metrics,
    what_is_told_is_left_alone,
    students_stay_where_levels_are_only_tried,
)


def _students(parts: Any) -> list[Any]:
    everyone = [parts.agent, parts.scheme, *(parts.rival or ())]
    return [one.state_dict() if isinstance(one.state_dict(), dict) else {} for one in everyone]


def _require_whole(levels: Mazes) -> None:
    count, area = len(levels), _SIZE * _SIZE
    require(levels.walls.shape == (NUM_ENVS, _SIZE, _SIZE), f"walls have shape {levels.walls.shape}")
    require(levels.walls.dtype == np.bool_, f"walls are {levels.walls.dtype}")
    walls = levels.walls.reshape(count, area)
    for name, most in (("start", area), ("goal", area), ("heading", 4)):
        entry = getattr(levels, name)
        require(entry.shape == (count,), f"{name} has shape {entry.shape}")
        require(bool(((entry >= 0) & (entry < most)).all()), f"a {name} is not from 0 to {most - 1}")
    require(bool((levels.start != levels.goal).all()), "an agent stands on its goal")
    taken = walls[np.arange(count), levels.start] | walls[np.arange(count), levels.goal]
    require(not taken.any(), "an agent or a goal is in a wall")


def _entries(round_: Round, played: Sequence[Played]) -> list[Array]:
    """Copies, without those of numbers that are not known."""
    found = [entry for levels in round_.levels for entry in vars(levels).values()] + list(round_.highest)
    for one in played:
        found += [one.advantages, one.values, one.ended, one.highest, one.steps, np.nan_to_num(one.regret)]
    return [entry.copy() for entry in found]


def _history(designer: Any, context: BuildContext, rounds: int = ROUNDS, first: int = 0) -> list[Any]:
    history: list[Any] = []
    for number in range(first, first + rounds):
        round_ = designer.design(NUM_ENVS, context.numpy_rng)
        keys = [list(map(bytes.hex, levels.keys())) for levels in round_.levels]
        highest = [entry.tolist() for entry in round_.highest]
        told = designer.played(round_, _played(round_, number))
        history.append([keys, highest, round_.learn, round_.origin, told, designer.update(number / ROUNDS)])
    return history


def _played(round_: Round, number: int) -> Sequence[Played]:
    """What made-up students did: some levels are solved, some now and then, some without a whole episode."""
    return [
        _of(levels, highest, np.random.default_rng([number, student]))
        for student, (levels, highest) in enumerate(zip(round_.levels, round_.highest, strict=True))
    ]


def _of(levels: Mazes, highest: Array, rng: np.random.Generator) -> Played:
    shape = (_STEPS, len(levels))
    advantages, values = rng.normal(size=shape), rng.random(shape)
    ended = rng.random(shape) < rng.choice([0.0, 0.1, 0.4], size=len(levels))
    success = ended & (rng.random(shape) < 0.5)
    tried, steps = attempted(rng.random(shape) * success, ended, success), distances(levels)
    best, regret = np.fmax(highest, tried.best), oracle_regret(steps, _LIMIT, tried.mean)
    return Played(advantages, values, ended, tried, best, steps, regret)
