"""What is played of a population, and what its agents answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from rewardlab.types.agents import Agent
from rewardlab.types.aliases import Array, Metrics, Obs


@dataclass(frozen=True)
class Lives:
    """One episode of each of P individuals on each of E levels, the same for all.

    Attributes:
        task_return: float64 [P, E], the task's own rewards, undiscounted.
        length: int64 [P, E], steps.
        success: bool [P, E].
        outcome: places, float64 [P, E, S, D], at the agent's `moments`; empty where the environment does not tell.
    """

    task_return: Array
    length: Array
    success: Array
    outcome: Obs = field(default_factory=dict)

    @property
    def fitness(self) -> Array:
        """The mean return of each individual over the levels, float64 [P]."""
        mean: Array = self.task_return.mean(axis=1)
        return mean


class Population(Agent, Protocol):
    """Learns from whole lives of many individuals: `training/learning/population.py`.

    Attributes:
        episodes: E, levels that each individual plays.
        lanes: environments that are stepped at once.
        genome: what makes actions of numbers and observations: a `networks.genomes.Mlp`.
        greedy: whether an individual takes its likeliest action.
        contenders: float32 [C, G], those that play more before one becomes champion; [0, G]: none.
        validation: how many episodes more.
        moments: int64 [S], the steps of a life after which it is kept where the agent is; beyond the last: its end.
        fixed_levels: whether lives are compared across generations, so that all must play the same levels.
    """

    episodes: int
    lanes: int
    genome: Any
    greedy: bool
    contenders: Array
    validation: int
    moments: Array
    fixed_levels: bool

    def ask(self, progress: float) -> Array:
        """The next generation: float32 [P, G]."""

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        """How the first of them lived: the budget may end within a generation."""

    def crown(self, lives: Lives) -> None:
        """How the contenders lived: the best of them is the champion, whom `act` plays."""
