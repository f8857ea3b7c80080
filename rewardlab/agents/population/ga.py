"""A genetic algorithm: every child is a mutated copy of one of the best, and carries the seeds that made it

Paper: Such et al. 2017, Deep neuroevolution (arXiv:1712.06567)

theta' = parent + sigma * N(0, 1), the parent drawn uniformly from the `parents` best of the last generation, every
number mutated, no crossover. The first generation is drawn, not mutated. Unlike in the authors' code, the champion is
no parent unless it is among the best of the last generation. The paper's sigma of 0.002 is for networks of a million
numbers; the small ones here need 0.1 to 0.3. Individuals are ranked by the mean return over `episodes` levels; the
paper plays one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.agents.population.base import PopulationAgent, PopulationConfig
from rewardlab.parts.archives.seed_chain import SeedChain, chains_of, chains_state, mutated, noise
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Lives, Metrics, State, StreamSpec

VERSION = 1


@dataclass
class Config(PopulationConfig):
    parents: int | None = option(
        None, "the best of a generation, which have children; null: a sixteenth of the population", above=0
    )
    sigma: float = option(0.2, "step size of mutations", above=0)

    def validate(self) -> None:
        super().validate()
        if self.parents is not None and self.parents > self.population:
            raise ValueError(f"parents={self.parents}: more than population={self.population}")


class Agent(PopulationAgent):
    """Keeps the parents' weights and chains; children are known by their seeds until they have lived."""

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self._most = config.parents or -(-config.population // 16)
        self._parents = np.zeros((0, self.genome.size), dtype=np.float32)
        self._chains: list[SeedChain] = []
        self._asked: list[SeedChain] = []

    def ask(self, progress: float) -> Array:
        options, count = self.options, self.options.population
        seeds = self._rng.integers(2**63, size=count)
        drawn = noise(seeds, self.genome.size)
        if not self._chains:
            self._asked = [SeedChain(seed) for seed in seeds.tolist()]
            return self.genome.normc(drawn)
        chosen = self._rng.integers(len(self._chains), size=count)
        sigma = np.full(count, options.sigma, dtype=np.float32)
        pairs = zip(chosen.tolist(), seeds.tolist(), strict=True)
        self._asked = [self._chains[parent].child(seed, float(sigma[0])) for parent, seed in pairs]
        return mutated(self._parents[chosen], drawn, sigma)

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        best = np.argsort(-lives.fitness, kind="stable")[: self._most]
        self._parents, self._chains = genomes[best], [self._asked[i] for i in best.tolist()]
        return self.judge(genomes, lives)

    def state_dict(self) -> State:
        own = {"parents": torch.from_numpy(self._parents.copy()), "chains": chains_state(self._chains)}
        return super().state_dict() | own | {"asked": chains_state(self._asked)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._parents = state["parents"].cpu().numpy().copy()
        self._chains, self._asked = chains_of(state["chains"]), chains_of(state["asked"])
