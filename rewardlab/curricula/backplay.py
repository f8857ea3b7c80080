"""Backplay: episodes begin along demonstrations, first near their ends, then ever farther back

Paper: Resnick et al. 2018, Backplay: man muss immer umkehren (arXiv:1807.06919)
Assumes: demos, state_restore

advance=success is the backward algorithm of Salimans and Chen 2018, Learning Montezuma's Revenge from a single
demonstration (arXiv:1812.03381): starts move back once the agent does about as well from them
as the demonstrations. advance=schedule is Backplay's: they move back with the budget, whatever the agent does. A state
comes with the steps that led to it, so that the time limit and the reward are those of the whole way; evaluation and a
share of the training episodes begin as the task has it. The return in train.csv is of all training episodes, so that
early on it is of those that begin near the end.

The first paper draws from windows set by hand for each task; the second has one demonstration, moves back after each
success of a fifth of the workers (threshold=0.2) and pays only what equals the demonstration. Here demonstrations may
be many, on as many levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.curricula.base import AlongDemonstrations, DemosCurriculumConfig
from rewardlab.parts.archives.backward_starts import METRICS, BackwardOptions, BackwardStarts
from rewardlab.types import Trail

VERSION = 1


@dataclass
class Config(BackwardOptions, DemosCurriculumConfig):
    pass


class Curriculum(AlongDemonstrations[Config]):
    """The demonstrations, read when the first episode begins, and the starting points on them."""

    metrics = METRICS

    def make_starts(self, trails: tuple[Trail, ...], rng: np.random.Generator) -> BackwardStarts:
        return BackwardStarts(self._config, trails, rng)
