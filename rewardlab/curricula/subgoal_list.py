"""Words as Beacons: a list of subgoals for each level, one after the other in sight, and paid when it is reached

Paper: Ruiz-Gonzalez et al. 2024, Words as Beacons: guiding RL agents with high-level language prompts
(arXiv:2410.08632)
Assumes: privileged

Lists: KeyCorridor's key, door and ball; MultiRoom's doors and goal; DoorKey's key, door and goal. They are exact, read
off the grid, or come from a file (`datasets/subgoal_lists.py`), whoever wrote it. The last entry, which is the task's
own goal, is neither shown nor paid: then the code for none is shown, to the end of the episode.

A subgoal is reached when the agent stands on its cell or the cell's content changes, in its turn. It then pays
alpha (1 - k / max_steps) in the stream `subgoal`, k the steps since the one before, and the next is shown. One that was
reached ahead of its turn is not paid and must be reached again. A wrong one that can't be reached stays for the whole
episode.

accuracy=p replaces each subgoal of an episode, with probability 1 - p, by a wrong one that is never the right one: of
encoding=relative any other cell within the outer wall, walls too; of the others a thing of the level that looks
otherwise. The authors' code takes a cell one step away by default, of things only doors in KeyCorridor, and may hit the
right one.

As in the authors' code the entry is not scaled: columns and rows to the cell along the grid; object, colour and state
of what is in it now; or a vector for each kind of thing. Theirs are embeddings of sentences, ours random unit vectors,
fixed for all runs. shown=false and paid=false take out one half each; the network stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch

from rewardlab.datasets.subgoal_lists import LONGEST, has_exact, read_lists
from rewardlab.errors import UserError
from rewardlab.facts import GRID, LEVEL
from rewardlab.maths.goals import AGENT, goal_reward
from rewardlab.maths.subgoals import KINDS, THINGS, come_to, contents, exact_list, kinds, relative, wrong_cell
from rewardlab.parts.conditioner import BaseConditioner
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import (
    Array,
    Asked,
    Attempts,
    BuildContext,
    EnvSpec,
    Metrics,
    Obs,
    ObsSpec,
    Rollout,
    State,
    StreamSpec,
)

VERSION = 1

_SIZES = {"relative": 2, "object": 3, "language": 384}  # 384: of the sentence vectors of the paper
_SENTENCES = 20_241_008  # seed of the vectors that stand for them
_NONE = -1


@dataclass
class Config(CurriculumConfig):
    INSTEAD: ClassVar[str] = "give curriculum.file=FILE"  # of exact lists

    file: str | None = option(
        None, "lists by level seed, in JSON, for env.levels=K; null: exact ones", neutral=None, dataset=True
    )
    encoding: str = option(
        "relative", "what is shown of a subgoal: where it is, what is there, or words for that", choices=tuple(_SIZES)
    )
    accuracy: float = option(1.0, "probability that a subgoal is right; else it is a wrong one", minimum=0, maximum=1)
    alpha: float = option(0.2, "what reaching a subgoal at once pays", minimum=0)
    shown: bool = option(True, "whether the agent sees its subgoal; false: always the code for none")
    paid: bool = option(True, "whether reaching subgoals is paid")

    def validate(self) -> None:
        if not (self.shown or self.paid):
            raise ValueError("shown=false paid=false: nothing is left of it; use curriculum=none")

    def privileged(self) -> tuple[str, ...]:
        return (GRID,) if self.file is None else (GRID, LEVEL)

    def check(self, spec: EnvSpec, training: list[int] | None, evaluation: list[int]) -> None:
        said = f"curriculum={self.name or self.plugin}"
        if GRID not in spec.privileged:
            raise UserError(f"{said}: subgoals are cells of a grid, and {spec.id} has none; use a MiniGrid task")
        if self.file is None:
            if not has_exact(spec.id):
                raise UserError(
                    f"{said}: no exact lists are known for {spec.id}, only for KeyCorridor, MultiRoom and DoorKey;"
                    f" {self.INSTEAD}"
                )
            return
        if training is None:
            raise UserError(f"curriculum.file={self.file}: lists are kept by level seed; set env.levels=K")
        lists = _read(self.file, spec)
        if missing := [seed for seed in dict.fromkeys((*training, *evaluation)) if seed not in lists]:
            others = f", nor for {len(missing) - 1} others" if len(missing) > 1 else ""
            raise UserError(
                f"curriculum.file={self.file}: has no list for level {missing[0]}{others} (of training and evaluation)"
            )


class Conditioner(BaseConditioner):
    """The lists; how far each environment has come in its own is part of the goal that it pursues.

    A goal has `cells`, int64 [B, M], without the list's last entry and -1 beyond; `turn`, int64 [B], which of them is
    pursued; `looks`, uint8 [B, M, 3], what was in the cells when the episode began; and `early`, bool [B], whether the
    content of the one that is pursued changed ahead of its turn.

    Attributes:
        none: what each number shows where there is no subgoal.
    """

    metrics = ("subgoals/reached", "subgoals/steps", "subgoals/early")
    assumes = frozenset({"privileged"})

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: the environment has no grid, or the file can't be read.
        """
        if GRID not in context.spec.privileged:
            raise UserError(
                f"curriculum={config.name or config.plugin}: {context.spec.id} has no grid; use a MiniGrid task"
            )
        self.config = config
        self.obs = {"goal": ObsSpec((_SIZES[config.encoding],), "float32")}
        self.streams = (StreamSpec("subgoal", context.gamma, config.alpha),) if config.paid else ()
        self.none = -1.0 if config.encoding == "object" else 0.0
        self._max_steps = context.spec.max_steps
        self._lists = None if config.file is None else _read(config.file, context.spec)
        self._counts = [0, 0, 0, 0]  # subgoals that ended, reached, the steps of these, changed ahead of their turn

    def propose(self, asked: Asked, rng: torch.Generator) -> Obs:
        grids, count = asked.facts[GRID], asked.count
        goal = {name: entry.copy() for name, entry in asked.before.items()} or {
            "cells": np.full((count, LONGEST), _NONE),
            "turn": np.zeros(count, dtype=np.int64),
            "looks": np.zeros((count, LONGEST, 3), dtype=np.uint8),
            "early": np.zeros(count, dtype=bool),
        }
        goal["turn"] += 1
        for i in np.flatnonzero(asked.begins):
            listed = self._begun(grids[i], {name: fact[i] for name, fact in asked.facts.items()}, rng)
            goal["turn"][i], goal["cells"][i], goal["looks"][i] = 0, _NONE, 0
            goal["cells"][i, : len(listed)] = listed
            goal["looks"][i, : len(listed)] = grids[i].reshape(-1, 3)[listed]
        cell = _pursued(goal)
        first, now = goal["looks"][np.arange(count), _at(goal)], contents(grids, cell)
        goal["early"] = (cell != _NONE) & (now != first).any(axis=1) & (now[:, 0] != AGENT)
        return goal

    def show(self, goal: Obs, facts: Obs) -> Obs:
        grids, cell = facts[GRID], _pursued(goal)
        content = contents(grids, cell)
        told = (cell != _NONE) & self.config.shown
        if self.config.encoding == "relative":
            shown = np.where(told[:, None], relative(grids, cell), 0)
        else:
            told &= np.isin(content[:, 0], THINGS)
            thing = content.astype(np.float32) if self.config.encoding == "object" else _sentences()[kinds(content)]
            shown = np.where(told[:, None], thing, self.none)
        return {"goal": shown.astype(np.float32)}

    def reached(self, goal: Obs, start: Obs, facts: Obs) -> Array:
        cell = _pursued(goal)
        found: Array = (cell != _NONE) & come_to(start[GRID], facts[GRID], cell)
        return found

    def take_in(self, attempts: Attempts) -> None:
        pursued = _pursued(attempts.goal) != _NONE
        reached = pursued & attempts.reached
        told = (pursued.sum(), reached.sum(), attempts.steps[reached].sum(), attempts.goal["early"].sum())
        self._counts = [count + int(more) for count, more in zip(self._counts, told, strict=True)]

    def compute(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        if not self.config.paid:
            return {}
        reached, steps = rollout.privileged["goal_reached"], rollout.privileged["goal_steps"]
        return {"subgoal": goal_reward(reached, steps, self._max_steps, lost=1.0)}

    def update(self) -> Metrics:
        ended, reached, steps, early = self._counts
        self._counts = [0, 0, 0, 0]
        told = {"subgoals/reached": reached / ended, "subgoals/early": early / ended} if ended else {}
        return told | ({"subgoals/steps": steps / reached} if reached else {})

    def state_dict(self) -> State:
        return {"counts": list(self._counts)}

    def load_state_dict(self, state: State) -> None:
        self._counts = list(state["counts"])

    def _begun(self, grid: Array, facts: Obs, rng: torch.Generator) -> list[int]:
        """The subgoals of an episode, wrong ones among them; without the last entry of the list."""
        listed = exact_list(grid) if self._lists is None else self._listed(int(facts[LEVEL]), grid.shape[1])
        wrong = torch.rand(LONGEST, generator=rng)[: len(listed)] >= self.config.accuracy
        by_look = self.config.encoding != "relative"
        draw = _drawing(rng)
        return [wrong_cell(grid, cell, by_look, draw) if wrong[i] else cell for i, cell in enumerate(listed[:-1])]

    def _listed(self, level: int, height: int) -> list[int]:
        assert self._lists is not None
        if level not in self._lists:
            raise UserError(f"curriculum.file={self.config.file}: has no list for level {level}")
        return [column * height + row for column, row in self._lists[level]]


def _read(path: str, spec: EnvSpec) -> dict[int, list[tuple[int, int]]]:
    assert spec.place is not None, "a world with a grid says how large it is"
    width, height = (int(largest) + 1 for largest in spec.place[1])
    return read_lists("curriculum.file", path, width, height)


def _at(goal: Obs) -> Array:
    return np.minimum(goal["turn"], LONGEST - 1)


def _pursued(goal: Obs) -> Array:
    """The cells of the subgoals whose turn it is, int64 [B]; -1: there is none."""
    found: Array = goal["cells"][np.arange(len(goal["turn"])), _at(goal)]
    return found


def _drawing(rng: torch.Generator) -> Callable[[int], int]:
    return lambda below: int(torch.randint(below, (1,), generator=rng))


@cache
def _sentences() -> Array:
    """A unit vector for each kind of thing, float32 [KINDS, 384]."""
    drawn = np.random.default_rng(_SENTENCES).normal(size=(KINDS, _SIZES["language"]))
    found: Array = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return found
