"""Novelty search: those survive whose lives differ most from all that came before, whatever they were paid

Paper: Lehman and Stanley 2011, Abandoning objectives: evolution through the search for novelty alone
Assumes: fixed_level, place

As in Paolo's code (STAX repository): `population` parents bear `children` each, every number mutated by `sigma`, kept
within 5 of 0. The novelty of all of them is the mean distance to the `neighbours` nearest among them and the archive,
as it stood before. `archived` children, drawn uniformly or the most novel ones, enter it; the most novel of parents and
children are the next parents, who are not played again. `parts/archives/novelty_search.py` does it.

agent=taxons: lives are told apart by the codes of an autoencoder, which learns of pictures of the world, and a fair
coin says in each generation whether novelty or its error decides (Paolo et al. 2020, arXiv:1909.05508). It is the
version of the STAX repository. The one of 2019 is near: `lesson=6000 rarer=false epochs=5 patience=0 novelty_first=30
archive_pick=best`; there each individual is changed in place, and a lesson is on all that lived since the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.agents.population.novelty import NoveltyAgent, NoveltyConfig
from rewardlab.parts.archives.novelty_archive import lived
from rewardlab.parts.archives.novelty_search import collected
from rewardlab.types import Array, Lives, Metrics, State

VERSION = 1


@dataclass
class Config(NoveltyConfig):
    pass


class Agent(NoveltyAgent):
    def ask(self, progress: float) -> Array:
        return self._search.ask(self.first)

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        told = self._search.tell(lived(self._descriptor, genomes, lives))
        if self.lesson_is_due(len(genomes)):
            told |= self._search.learn()
        return {**self.judge(genomes, lives), **told}

    def collection(self) -> dict[str, Array]:
        return collected(self._descriptor, self._search.archive) or super().collection()

    def state_dict(self) -> State:
        return super().state_dict() | self._search.state_dict()

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._search.load_state_dict(state)
