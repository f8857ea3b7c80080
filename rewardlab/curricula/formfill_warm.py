"""Warm starts on forms: one who knows how fills in some of the fields first, fewer and fewer of them

Paper: Gur et al. 2019, Learning to navigate the web (QWeb; arXiv:1812.09195)
Assumes: privileged, state_restore

Before a training episode begins, each pair of the instruction is done with probability q, which falls linearly from
`start` to 0 until the share `until` of the budget is spent. The instruction stays whole, and so does the time limit.
What is done beforehand takes no frames. The paper says that the probability falls; from where and how fast is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.maths.forms import VALUE, prefilled
from rewardlab.parts.form_starts import ScheduledFormStarts
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import Array, BuildContext, Metrics, Obs

VERSION = 1


@dataclass
class Config(CurriculumConfig):
    start: float = option(0.9, "probability of each pair to be done beforehand, at first", minimum=0, maximum=1)
    until: float = option(0.8, "share of the budget at which it is 0", above=0)


class Curriculum(ScheduledFormStarts):
    """Remembers how much of the budget is spent."""

    assumes = frozenset({"privileged", "state_restore"})
    metrics = ("starts/filled",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context, config.until)
        self._start = config.start

    @property
    def chance(self) -> float:
        """q, of each pair to be done beforehand."""
        return self._start * (1.0 - self.share)

    def places(self, trail: Array, step: Array, own: Obs) -> Obs:
        return prefilled(own, self._rng.random(own[VALUE].shape) < self.chance)

    def update(self, progress: float) -> Metrics:
        super().update(progress)
        return {"starts/filled": self.chance}
