"""Random search: new individuals each generation, the best of all is kept; the floor of every table of populations"""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.agents.population.base import PopulationAgent, PopulationConfig
from rewardlab.types import Array, Lives, Metrics

VERSION = 1


@dataclass
class Config(PopulationConfig): ...


class Agent(PopulationAgent):
    """Nothing is learned of what was played."""

    def ask(self, progress: float) -> Array:
        return self.first(self.options.population)

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        return self.judge(genomes, lives)
