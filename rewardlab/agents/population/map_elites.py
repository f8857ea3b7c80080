"""MAP-Elites: the best individual of each cell of a grid of behaviours; children by mutation or by CMA-ES

Paper: Mouret and Clune 2015, Illuminating search spaces by mapping elites (arXiv:1504.04909)
Assumes: fixed_level, place

agent=cma_me: 15 Gaussians of 36 samples each move to what is new or better in the archive (Fontaine et al. 2020,
arXiv:1912.02400). agent=cma_mae: cells have thresholds that rise slowly, so that an improvement counts more than once
(Fontaine and Nikolaidis 2023, arXiv:2205.10752); such an archive forgets elites, so what is reported and kept is an
ordinary one beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab import seeding
from rewardlab.agents.population.base import PopulationAgent, PopulationConfig, init_option
from rewardlab.parts.archives.descriptor_kinds import make_descriptor
from rewardlab.parts.archives.descriptors import BOUNDED
from rewardlab.parts.archives.emitters import RANKERS, CmaEmitter, isoline_mutants, mutants
from rewardlab.parts.archives.grid_archive import Added, GridArchive, check_cells
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Lives, Metrics, State, StreamSpec

VERSION = 2


@dataclass
class Config(PopulationConfig):
    population: int = option(100, "individuals of a generation", above=0, maximum=10**6)
    episodes: int = option(1, "lives of each individual; with env.levels=K there are K, one on each level", above=0)
    init: str = init_option("normal")
    descriptor: str = option("place", "what tells lives apart, within known bounds", choices=BOUNDED)
    samples: int = option(2, "descriptor=samples: places that are looked at", above=0)
    bins: int = option(50, "cells of each dimension of descriptors", above=0)
    emitter: str = option("gaussian", "where children come from", choices=("gaussian", "isoline", "cma"))
    sigma: float = option(0.5, "step size of mutations (isoline: not used), the first one of CMA-ES", above=0)
    emitters: int = option(15, "emitter=cma: Gaussians, which share the population evenly", above=0)
    ranker: str = option("two_stage", "emitter=cma: what ranks samples", choices=RANKERS)
    parents: str = option(
        "filter", "emitter=cma: those that entered the archive, or the better half", choices=("filter", "half")
    )
    archive_rate: float = option(
        1.0, "how fast the threshold of a cell follows what enters it; 1: at once", minimum=0, maximum=1
    )
    threshold_min: float | None = option(
        None, "archive_rate below 1: threshold of an empty cell, below the lowest return"
    )
    ties: str = option("replace", "an equal return: replaces who is there, or not", choices=("replace", "keep"))

    def validate(self) -> None:
        super().validate()
        if self.emitter == "cma" and self.population % self.emitters:
            raise ValueError(f"population={self.population}: must be a multiple of emitters={self.emitters}")
        if (self.archive_rate < 1) != (self.threshold_min is not None):
            raise ValueError("threshold_min: give it with archive_rate below 1, and only then")


class Agent(PopulationAgent):
    """The archive that children come from, the one that is reported, the emitters."""

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self.metrics += ("explore/archive", "explore/restarts")
        self._descriptor = make_descriptor(config, context)
        self.tell_apart_by(self._descriptor)
        self._archives: list[GridArchive] = []
        self._emitters: list[CmaEmitter] = []
        self._restarts, self._dimensions = 0, 0

    def check_levels(self, count: int) -> None:
        check_cells(self.options.bins, self._descriptor.size * count)

    def ask(self, progress: float) -> Array:
        options, count = self.options, self.options.population
        if not self._archives or not len(self._archives[0]):
            return self.first(count)
        if options.emitter == "gaussian":
            return mutants(self._archives[0], count, options.sigma, self._rng)
        if options.emitter == "isoline":
            return isoline_mutants(self._archives[0], count, self._rng)
        each = count // options.emitters
        return np.concatenate([emitter.ask(each, self._rng) for emitter in self._emitters]).astype(np.float32)

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        options, values = self.options, lives.fitness
        points = self._descriptor.describe(self._descriptor.kept(lives))
        if not self._archives:
            self._dimensions = points.shape[1]
            self._make()
        archive, reported = self._archives[0], self._archives[-1]
        added = archive.add(genomes, values, points)
        if reported is not archive:
            reported.add(genomes, values, points)
        each = options.population // options.emitters
        for number, emitter in enumerate(self._emitters):
            mine = slice(number * each, (number + 1) * each)
            if len(genomes[mine]):
                part = Added(added.status[mine], added.gain[mine])
                samples = genomes[mine].astype(np.float64)
                self._restarts += emitter.tell(samples, values[mine], points[mine], part, archive, self._rng)
        if options.emitter == "cma" and not self._emitters and len(archive):
            self._begin_emitters()
        own = {
            "explore/archive": float(len(reported)),
            "explore/restarts": float(self._restarts),
        }
        return {**self.judge(genomes, lives), **own}

    def collection(self) -> dict[str, Array]:
        """The elites that are reported: none before the first generation."""
        if not self._archives:
            return super().collection()
        kept = self._archives[-1]
        return {"genomes": kept.genomes.copy(), "descriptors": kept.points.copy(), "returns": kept.values.copy()}

    def _make(self) -> None:
        """The archives: one where thresholds are the values themselves is what is reported, too."""
        options, size = self.options, self.genome.size
        ties = options.ties == "replace"
        self._archives = [GridArchive(options.bins, self._dimensions, size, ties)]
        if options.archive_rate < 1:
            slow = GridArchive(options.bins, self._dimensions, size, ties, options.archive_rate, options.threshold_min)
            self._archives.insert(0, slow)

    def _begin_emitters(self) -> None:
        options, archive = self.options, self._archives[0]
        self._emitters = [
            CmaEmitter(start, options.sigma, options.ranker, options.parents == "filter", self._dimensions, self._rng)
            for start in archive.draw(options.emitters, self._rng)
        ]

    def state_dict(self) -> State:
        own = {
            "archives": [archive.state_dict() for archive in self._archives],
            "emitters": [emitter.state_dict() for emitter in self._emitters],
            "dimensions": self._dimensions,
            "restarts": self._restarts,
        }
        return super().state_dict() | own

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._archives, self._emitters = [], []
        self._dimensions, self._restarts = state["dimensions"], state["restarts"]
        if not state["archives"]:
            return
        self._make()
        for archive, saved in zip(self._archives, state["archives"], strict=True):
            archive.load_state_dict(saved)
        if state["emitters"]:
            before = seeding.generator_state(self._rng)
            self._begin_emitters()
            seeding.set_generator_state(self._rng, before)
            for emitter, saved in zip(self._emitters, state["emitters"], strict=True):
                emitter.load_state_dict(saved)
