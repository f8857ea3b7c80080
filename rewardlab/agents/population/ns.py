"""Novelty search: those survive whose lives differ most from all that came before, whatever they were paid

Paper: Lehman and Stanley 2011, Abandoning objectives: evolution through the search for novelty alone
Assumes: fixed_level, place

As in Paolo's code (STAX repository): `population` parents bear `children` each, every number mutated by `sigma`, kept
within 5 of 0. The novelty of all of them is the mean distance to the `neighbours` nearest among them and the archive,
as it stood before. `archived` children, drawn uniformly or the most novel ones, enter it; the most novel of parents and
children are the next parents, who are not played again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.agents.population.base import PopulationAgent, PopulationConfig
from rewardlab.maths.novelty import novelty
from rewardlab.parts.archives.descriptors import KINDS, make_descriptor
from rewardlab.parts.archives.novelty_archive import NoveltyArchive
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Lives, Metrics, Obs, State, StreamSpec

VERSION = 1
_WIDEST = 5.0  # of a genome's numbers


@dataclass
class Config(PopulationConfig):
    population: int = option(100, "parents of a generation", minimum=2, maximum=10**6)
    episodes: int = option(1, "lives of each individual; with env.levels=K there are K, one on each level", above=0)
    children: int = option(2, "of each parent", above=0)
    sigma: float = option(0.05, "step size of mutations", above=0)
    descriptor: str = option("place", "what tells lives apart", choices=KINDS)
    samples: int = option(5, "descriptor=samples: places that are looked at", above=0)
    neighbours: int = option(15, "nearest others that novelty is the mean distance to", above=0)
    archived: int = option(5, "children that enter the archive in each generation", above=0)
    archive_pick: str = option("random", "which", choices=("random", "best"))


class Agent(PopulationAgent):
    """Parents with their outcomes, and the archive."""

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self.metrics += ("explore/archive", "explore/novelty")
        self.assumes |= {"fixed_level", "place"}
        self.fixed_levels = True
        self._descriptor = make_descriptor(config.descriptor, config.samples, context.spec, config.name)
        self.moments = self._descriptor.moments
        self._archive = NoveltyArchive()
        self._parents = np.zeros((0, self.genome.size), dtype=np.float32)
        self._outcomes: Obs = {}

    def first(self, count: int) -> Array:
        return self.genome.normal(count, self._rng)

    def ask(self, progress: float) -> Array:
        options = self.options
        if not len(self._parents):
            return self.first(options.population)
        genomes = self._parents.repeat(options.children, axis=0)
        drawn = self._rng.standard_normal(genomes.shape, dtype=np.float32)
        children: Array = (genomes + np.float32(options.sigma) * drawn).clip(-_WIDEST, _WIDEST)
        return children

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        options = self.options
        everybody = np.concatenate([self._parents, genomes])
        outcomes = {
            name: np.concatenate([self._outcomes[name], entry]) if self._outcomes else entry
            for name, entry in lives.outcome.items()
        }
        found = self._novelty(outcomes)
        children = np.arange(len(everybody) - len(genomes), len(everybody))
        count = min(options.archived, len(children))
        picked = self._rng.choice(children, size=count, replace=False)
        if options.archive_pick == "best":
            picked = children[np.argsort(-found[children], kind="stable")[:count]]
        self._archive.add({name: entry[picked] for name, entry in outcomes.items()})
        best = np.argsort(-found, kind="stable")[: options.population]
        self._parents, self._outcomes = everybody[best], {name: entry[best] for name, entry in outcomes.items()}
        own = {"explore/archive": float(len(self._archive)), "explore/novelty": float(found[children].mean())}
        return {**self.judge(genomes, lives), **own}

    def _novelty(self, outcomes: Obs) -> Array:
        """Of lives among themselves and in the archive."""
        points = self._descriptor.describe(outcomes)
        others = points
        if len(self._archive):
            others = np.concatenate([points, self._descriptor.describe(self._archive.outcomes)])
        return novelty(points, others, self.options.neighbours, own=np.arange(len(points)))

    def state_dict(self) -> State:
        outcomes = {name: torch.from_numpy(entry.copy()) for name, entry in self._outcomes.items()}
        parents = torch.from_numpy(self._parents.copy())
        own = {"parents": parents, "outcomes": outcomes, "archive": self._archive.state_dict()}
        return super().state_dict() | own

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._parents = state["parents"].numpy().copy()
        self._outcomes = {name: entry.numpy().copy() for name, entry in state["outcomes"].items()}
        self._archive.load_state_dict(state["archive"])
