"""Conjecturer: edited copies of levels that the student solves, kept where it solves them now and then

Paper: Dong and Ma 2025, STP: self-play LLM theorem provers with iterative conjecturing and proving (arXiv:2502.00212)
Assumes: level_design, privileged

STP's loop, with mazes for statements and edits for the model that conjectures. Now and then many levels are tried. Half
are new ones, the targets; the others are conjectures: edited copies of seeds, which are levels that were solved in more
than `solved` of their episodes. A conjecture is kept if it was solved, in less than `hard` of its episodes. The fifth
of them whose solutions are shortest for their size is dropped (fewest steps over walls and two), and a seed has at most
a tenth of what is kept. A target is kept if it was solved, in at most half of its episodes. Students learn on what is
kept and on new levels.

What differs: STP's conjecturer is a language model, and learns from the conjectures that are kept; edits learn nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.curricula.kept_levels import restored_mazes, saved_mazes
from rewardlab.curricula.tried_levels import TriedConfig, TriedLevels
from rewardlab.gridworld.mazes import Mazes, distances, joined, mutate
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Played, State

VERSION = 1
_TARGETS = 0.5  # share of successes above which a target teaches nothing more
_DROPPED, _OF_A_SEED = 0.2, 0.1
_NO_SEED = -1


@dataclass
class Config(TriedConfig):
    edits: int = option(5, "cells that are changed in a copy", above=0)
    hard: float = option(0.25, "share of successes from which a conjecture is too easy", above=0, maximum=1)
    solved: float = option(0.35, "share of successes above which a level is a seed", minimum=0, maximum=1)


class Designer(TriedLevels):
    """Beside what is kept, the seeds, and of each level that is being tried which one it is a copy of."""

    assumes = frozenset({"level_design", "privileged"})

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self._config = config
        self._seeds: Mazes | None = None
        self._of: list[Array] = []  # for each round of tries int64 [N], or _NO_SEED
        self._solved: list[Array] = []  # float64 [N], shares of successes; 0 without a whole episode

    def propose(self, count: int, rng: np.random.Generator) -> Mazes:
        of = np.full(count, _NO_SEED)
        levels = self._config.draw(count, self._size, rng)
        if self._seeds is not None and len(self._seeds):
            half = count // 2
            of[:half] = rng.integers(len(self._seeds), size=half)
            levels = joined([mutate(self._seeds[of[:half]], self._config.edits, rng), levels[slice(half, None)]])
        self._of.append(of)
        return levels

    def score(self, levels: Mazes, found: Played) -> Array:
        """1 of levels to learn from, before duplicates, short ones and too many of a seed are left out."""
        solved = np.nan_to_num(found.tried.solved)
        self._solved.append(solved)
        most = np.where(self._of[-1] == _NO_SEED, np.nextafter(_TARGETS, 1), self._config.hard)
        return ((solved > 0) & (solved < most)).astype(float)

    def state_dict(self) -> State:
        rows = {"of": self._of, "solved": self._solved}
        return super().state_dict() | {
            "seeds": None if self._seeds is None else saved_mazes(self._seeds),
            **{name: [torch.from_numpy(row.copy()) for row in of] for name, of in rows.items()},
        }

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._seeds = None if state["seeds"] is None else restored_mazes(state["seeds"])
        self._of, self._solved = ([row.numpy() for row in state[name]] for name in ("of", "solved"))

    def choose(self, levels: Mazes, scores: Array) -> Array:
        of, solved = np.concatenate(self._of), np.concatenate(self._solved)
        self._of, self._solved = [], []
        self._seeds = levels[np.flatnonzero(solved > self._config.solved)]
        _, first = np.unique(np.array(levels.keys(), dtype=object), return_index=True)
        fit = np.zeros(len(levels), dtype=bool)
        fit[first] = scores[first] > 0
        guessed = np.flatnonzero(fit & (of != _NO_SEED))
        length = distances(levels[guessed]) / (levels.walls[guessed].sum(axis=(1, 2)) + 2)
        guessed = guessed[np.argsort(-length, kind="stable")][: len(guessed) - int(_DROPPED * len(guessed))]
        most = max(1, int(_OF_A_SEED * len(guessed)))
        earlier = np.array([np.count_nonzero(of[guessed[:k]] == of[row]) for k, row in enumerate(guessed)], dtype=int)
        kept = np.concatenate([guessed[earlier < most], np.flatnonzero(fit & (of == _NO_SEED))])
        return kept[: self._config.keep]
