"""SFL: now and then many random levels are tried, and those kept that succeed about every other time

Paper: Rutherford et al. 2024, No regrets: investigating and improving regret approximations (arXiv:2408.15099)
Assumes: level_design

Sampling for learnability: p (1 - p), p the share of successes of the episodes of a level. A part of each round comes
from the levels that were kept, the rest is drawn anew; students learn from both. The authors try 25,000 levels for 2000
steps before every 100 updates, and leave these frames out of their figures; here they count, so that the defaults are
smaller. A level needs two whole episodes to be kept: with one, p (1 - p) is 0 whatever it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.curricula.tried_levels import TriedConfig, TriedLevels
from rewardlab.gridworld.mazes import Mazes
from rewardlab.maths.level_scores import level_scores
from rewardlab.types import Array, Played

VERSION = 1


@dataclass
class Config(TriedConfig):
    pass


class Designer(TriedLevels):
    """Keeps levels by their learnability."""

    def score(self, levels: Mazes, found: Played) -> Array:
        args = (found.advantages, found.values, found.ended, found.highest, found.tried)
        return level_scores("learnability", *args)
