"""A genetic algorithm: every child is a mutated copy of one of the best, and carries the seeds that made it

Paper: Such et al. 2017, Deep neuroevolution (arXiv:1712.06567)

theta' = parent + sigma * N(0, 1), the parent drawn uniformly from the `parents` best of the last generation, every
number mutated, no crossover. The first generation is drawn, not mutated. A champion that is not among these takes the
place of the last of them; all that live are new children. As in the authors' code for GPUs, the champion and the best
of each generation play `validation` more episodes, and the best of these is champion. With validation=0 it keeps the
return that it had: right where lives on the same levels are always the same, mostly luck elsewhere. The paper's sigma
of 0.002 is for networks of a million numbers; the small ones here need 0.1 to 0.3. Individuals are ranked by the mean
return over `episodes` levels; the paper plays one.

agent=ga_ns: parents are the most novel instead (criterion=novelty), and the champion is no parent by right. Novelty is
the mean distance to the `neighbours` nearest of the generation and an archive, which each individual then enters with
the chance `archive_chance`. The authors' code for it is not public.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.agents.population.base import CONTENDERS, PopulationAgent, PopulationConfig
from rewardlab.parts.archives.descriptor_kinds import make_descriptor
from rewardlab.parts.archives.descriptors import BOUNDED
from rewardlab.parts.archives.novelty_archive import NoveltyArchive, some
from rewardlab.parts.archives.novelty_search import novelty_of
from rewardlab.parts.archives.seed_chain import SeedChain, chains_of, chains_state, mutated, noise
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Lives, Metrics, State, StreamSpec

VERSION = 2


@dataclass
class Config(PopulationConfig):
    validation: int = option(
        30, "more episodes that the 10 best of a generation play before one becomes champion; 0: none", minimum=0
    )
    parents: int | None = option(
        None, "the best of a generation, which have children; null: a sixteenth of the population", above=0
    )
    sigma: float = option(0.2, "step size of mutations", above=0)
    criterion: str = option("return", "what the best are best in", choices=("return", "novelty"))
    neighbours: int = option(25, "criterion=novelty: nearest others that novelty is the mean distance to", above=0)
    archive_chance: float = option(
        0.01, "criterion=novelty: of each individual, to enter the archive", minimum=0, maximum=1
    )
    descriptor: str = option("place", "criterion=novelty: what tells lives apart", choices=BOUNDED)
    samples: int = option(5, "descriptor=samples: places that are looked at", above=0)

    def validate(self) -> None:
        super().validate()
        if self.parents is not None and self.parents > self.population:
            raise ValueError(f"parents={self.parents}: more than population={self.population}")


class Agent(PopulationAgent):
    """Keeps the weights and chains of the best; children are known by their seeds until they have lived."""

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self._seeks = config.criterion == "novelty"
        if self._seeks:
            self.metrics += ("explore/archive", "explore/novelty")
            self._descriptor = make_descriptor(config, context)
            self.tell_apart_by(self._descriptor)
        self._most = config.parents or -(-config.population // 16)
        self._best_weights = np.zeros((0, self.genome.size), dtype=np.float32)
        self._best_chains: list[SeedChain] = []
        self._best_returns = np.zeros(0)
        self._best_points = np.zeros((0, 0))  # descriptors, criterion=novelty
        self._archive = NoveltyArchive()
        self._asked: list[SeedChain] = []
        self._contending: list[SeedChain] = []  # those of `contenders`
        self._crowned: list[SeedChain] = []  # the champion's, once there is one

    def ask(self, progress: float) -> Array:
        options, count = self.options, self.options.population
        seeds = self._rng.integers(2**63, size=count)
        drawn = noise(seeds, self.genome.size)
        parents, chains, _ = self._parents()
        if not chains:
            self._asked = [SeedChain(seed) for seed in seeds.tolist()]
            genomes: Array = self.genome.first(drawn)
            return genomes
        chosen = self._rng.integers(len(chains), size=count)
        sigma = np.full(count, options.sigma, dtype=np.float32)
        pairs = zip(chosen.tolist(), seeds.tolist(), strict=True)
        self._asked = [chains[parent].child(seed, float(sigma[0])) for parent, seed in pairs]
        return mutated(parents[chosen], drawn, sigma)

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        values = lives.fitness
        told: Metrics = {}
        if self._seeks:
            kept = self._descriptor.kept(lives)
            points = self._descriptor.describe(kept)
            values = novelty_of(self._descriptor, kept, [self._archive], self.options.neighbours)
            entering = np.flatnonzero(self._rng.random(len(genomes)) < self.options.archive_chance)
            if len(entering):
                self._archive.add(some(kept, entering))
            told = {"explore/archive": float(len(self._archive)), "explore/novelty": float(values.mean())}
        best = np.argsort(-values, kind="stable")[: self._most]
        self._best_weights, self._best_chains = genomes[best], [self._asked[i] for i in best.tolist()]
        self._best_returns = lives.fitness[best]
        if self._seeks:
            self._best_points = points[best]
        return {**self.judge(genomes, lives), **told}

    def nominate(self, genomes: Array, fitness: Array) -> None:
        before = self._best
        super().nominate(genomes, fitness)
        best = [self._asked[i] for i in np.argsort(-fitness, kind="stable")[:CONTENDERS].tolist()]
        if self.validation:
            self._contending = [*self._crowned, *best]
        elif self._best > before:
            self._crowned = best[:1]

    def crown(self, lives: Lives) -> None:
        self._crowned = [self._contending[int(lives.fitness.argmax())]]
        self._contending = []
        super().crown(lives)

    def collection(self) -> dict[str, Array]:
        """Those that would have children next: their chains, flat as in a checkpoint, and what they returned."""
        _, chains, returns = self._parents()
        if not chains:
            return super().collection()
        kept: dict[str, Array] = {name: entry.numpy() for name, entry in chains_state(chains).items()}
        kept["returns"] = returns.copy()
        return kept | ({"descriptors": self._best_points.copy()} if self._seeks else {})

    def _parents(self) -> tuple[Array, list[SeedChain], Array]:
        """Weights, chains and returns of those that have children: the champion is one of them."""
        weights, chains, returns = self._best_weights, self._best_chains, self._best_returns
        if self._seeks or not self._crowned or self._crowned[0] in chains:
            return weights, chains, returns
        stay = min(len(chains), self._most - 1)
        weights = np.concatenate([weights[:stay], self.champion[None]])
        return weights, chains[:stay] + self._crowned, np.append(returns[:stay], self._best)

    def state_dict(self) -> State:
        kept = (self._best_weights, self._best_returns, self._best_points)
        arrays: dict[str, Array] = dict(zip(("weights", "returns", "points"), kept, strict=True))
        own: State = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        lists = {"asked": self._asked, "contending": self._contending, "crowned": self._crowned}
        own |= {name: chains_state(chains) for name, chains in lists.items()}
        own |= {"chains": chains_state(self._best_chains), "archive": self._archive.state_dict()}
        return super().state_dict() | own

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._best_weights, self._best_returns = state["weights"].numpy().copy(), state["returns"].numpy().copy()
        self._best_points, self._best_chains = state["points"].numpy().copy(), chains_of(state["chains"])
        self._asked, self._contending = chains_of(state["asked"]), chains_of(state["contending"])
        self._crowned = chains_of(state["crowned"])
        self._archive.load_state_dict(state["archive"])
