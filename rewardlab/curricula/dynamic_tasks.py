"""Dynamic tasks: random levels are tried, and those kept that are neither mastered, nor too hard, nor solved by luck

Paper: Open Ended Learning Team et al. 2021, Open-ended learning leads to generally capable agents (arXiv:2107.12808)
Assumes: level_design, privileged

XLand's filter. A level is kept if the learner's share of successes is below `mastered`, if it is above that of a
control policy by more than `possible`, and if the control policy's is below `control`. The control policy acts at
random, and its chance of success is computed instead of played. Rejected levels' frames count.

The authors compare returns with thresholds where successes are compared here, and adapt the three bounds by
population-based training, over generations that begin by imitating the one before. Bounds are fixed here, and there is
one generation. They published no code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.curricula.tried_levels import TriedConfig, TriedLevels
from rewardlab.gridworld.maze_levels import random_play
from rewardlab.gridworld.mazes import Mazes
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Played

VERSION = 1


@dataclass
class Config(TriedConfig):
    keep: int = option(256, "levels that are kept of them, at most", above=0)
    share: float = option(1.0, "of each round's levels that are kept ones; the others are new", minimum=0, maximum=1)
    attempts: int = option(4, "whole episodes without which a level is not judged", above=0)
    mastered: float = option(0.9, "share of successes from which a level is mastered", minimum=0, maximum=1)
    possible: float = option(0.1, "by how much its share must be above that of control", minimum=0, maximum=1)
    control: float = option(0.5, "share of successes of control from which a level is luck", above=0, maximum=1)


class Designer(TriedLevels):
    """Keeps levels that pass the filter."""

    assumes = frozenset({"level_design", "privileged"})

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        limit, actions = context.spec.max_steps, context.spec.action.n
        assert limit is not None and actions is not None, "mazes have limits and actions"
        self._config, self._limit, self._actions = config, limit, actions

    def score(self, levels: Mazes, found: Played) -> Array:
        """1 of levels that pass, 0 of others."""
        tried, config = found.tried, self._config
        control = random_play(levels, self._limit, self._actions)[0]
        solved = np.where(tried.count >= config.attempts, tried.solved, np.nan)
        passes = (solved < config.mastered) & (solved - control > config.possible) & (control < config.control)
        return passes.astype(float)
