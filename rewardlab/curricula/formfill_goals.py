"""Simulated goals on forms: instructions are cut to k of their pairs, and k grows to all of them

Paper: Gur et al. 2019, Learning to navigate the web (QWeb; arXiv:1812.09195)
Assumes: state_restore

A training episode's instruction keeps k of its F pairs, drawn at random, and what the page is to hold is cut with it:
the fields of the other pairs are to stay empty. k grows from 1 by 1 at a time, at equal shares of the budget, and is F
from the share `until` (F - 1) / F on. How k grows is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.maths.forms import VALUE, cut
from rewardlab.parts.form_starts import ScheduledFormStarts
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import Array, BuildContext, Metrics, Obs

VERSION = 1


@dataclass
class Config(CurriculumConfig):
    until: float = option(0.8, "share of the budget in which k goes through 1 to F", above=0)


class Curriculum(ScheduledFormStarts):
    """Remembers how much of the budget is spent."""

    metrics = ("starts/share",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context, config.until)

    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        count, pairs = own[VALUE].shape
        rank = self._rng.permuted(np.tile(np.arange(pairs), (count, 1)), axis=1)
        return cut(own, rank < self.kept(pairs))

    def kept(self, pairs: int) -> int:
        """k, of F pairs."""
        return min(1 + int(self.share * pairs), pairs)

    def update(self, progress: float) -> Metrics:
        super().update(progress)
        return {"starts/share": self.share}
