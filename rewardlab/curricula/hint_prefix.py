"""Hints as prefixes: groups of attempts at one level; where none succeeds, the same with a part of a solution given

Paper: Liu et al. 2025, GHPO: adaptive guidance for stable and efficient LLM reinforcement learning (arXiv:2507.10628)
Assumes: demos, state_restore

A task is a demonstration's level. Eight attempts begin at its beginning. If none is paid, eight more begin after 25 %
of the demonstration's steps, then after 50 and 75 %. A group that succeeds without a hint costs nothing more. The hint
is the state that these steps lead to, with the steps counted: time limit and reward are those of the whole way.

What differs, for GRPO became PPO: advantages are PPO's, from its critic, not (r - mean) / std within the group. The
attempts that failed are learned from too, instead of being replaced, and all of their frames count. The steps of the
hint are not played, so there is no gradient on them, as in the paper. Its code falls back to prompts without hints for
groups that were rescued, once a later ratio runs for any other; here every group has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.curricula.base import AlongDemonstrations, DemosCurriculumConfig
from rewardlab.parts.archives.hint_groups import METRICS, HintGroups, HintOptions
from rewardlab.types import Trail

VERSION = 1


@dataclass
class Config(HintOptions, DemosCurriculumConfig):
    def validate(self) -> None:
        self.check_ratios()


class Curriculum(AlongDemonstrations[Config]):
    """The demonstrations, and the groups of attempts at their levels."""

    metrics = METRICS

    def make_starts(self, trails: tuple[Trail, ...], rng: np.random.Generator) -> HintGroups:
        return HintGroups(self._config, trails, rng)
