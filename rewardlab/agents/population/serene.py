"""SERENE: novelty search; around whoever is paid, emitters climb the return, in chunks of the budget of their own

Paper: Paolo et al. 2021, Sparse reward exploration via novelty search and emitters (arXiv:2102.03140)
Assumes: fixed_level, place

As in Paolo's code (STAX repository). Chunks of `chunk` individuals alternate. Exploration is a novelty search, which
compares with those that were paid, too. Each of its individuals that is paid more than `reward_floor` becomes one of
these, and the ancestor of an emitter. Its step size is a third of the distance to the nearest other genome of parents
and children. Exploitation first tries candidates, those first whose ancestors are most novel among the paid, until a
third of the chunk is left: six populations each, and whoever got no better is dropped. Then an emitter of the Pareto
front of its ancestor's novelty and its improvement runs until the chunk ends, or it gets nowhere any more: some of its
most novel members enter the archive of the novelty search then. `parts/archives/` has the pieces: `novelty_search.py`,
`reward_emitters.py`, `schedules.py`.

agent=stax: what tells lives apart is learned of pictures, as in agent=taxons, and novelty or surprise decide by a coin
who survives (Paolo et al. 2024, Discovering and exploiting sparse rewards in a learned behavior space,
arXiv:2111.01919). The autoencoder learns while it is the novelty search's turn, and by its count. Whoever is in an
archive, is a parent or belongs to an emitter is described anew then.

Candidates of one chunk play their populations side by side: they share nothing but the archive that they add to, which
is read afterwards. Where the budget ends within a population, that one counts for the champion only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import cdist

from rewardlab.agents.population.novelty import NoveltyAgent, NoveltyConfig
from rewardlab.maths.fronts import undominated
from rewardlab.maths.novelty import novelty
from rewardlab.parts.archives import reward_emitters, schedules
from rewardlab.parts.archives.novelty_archive import NoveltyArchive, lived, some
from rewardlab.parts.archives.novelty_search import collected
from rewardlab.parts.archives.reward_emitters import TRIAL, Emitter
from rewardlab.parts.archives.schedules import Schedule
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Lives, Metrics, Obs, State, StreamSpec

VERSION = 1
_NOBODY = -1


@dataclass
class Config(NoveltyConfig):
    chunk: int = option(1000, "individuals that explore, or that emitters play, before the other's turn", above=0)
    scheduler: str = option("alternating", "what says whose turn it is", choices=schedules.KINDS)
    reward_floor: float = option(0.0, "returns above it are paid ones")
    emitter_kind: str = option(
        "elitist", "who survives: the best paid, or the most novel; cma: a CMA-ES", choices=reward_emitters.KINDS
    )
    train_on_reward: bool = option(True, "descriptor=autoencoder: it learns of those that were paid, too")


class Agent(NoveltyAgent):
    """The novelty search, those that were paid, their emitters, and where in a chunk it is."""

    metrics = (*NoveltyAgent.metrics, "explore/rewarded", "explore/emitters")

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self._told: Metrics = {}  # of the latest exploration
        self._rewarded = NoveltyArchive()
        self._candidates: list[Emitter] = []
        self._emitters: list[Emitter] = []
        self._schedule = Schedule(config.scheduler)
        self._explores, self._left = True, 0  # what the chunk does, and how many individuals are left of it
        self._alive = 0  # emitters and candidates when it began
        self._trying = 0  # of the candidates, the first so many are on trial
        self._running = _NOBODY  # of the emitters
        self._reference = np.zeros((0, 0))  # descriptors that the chunk's novelty is measured against
        self._first_rewarded = 0  # their first row that is of those that were paid

    def ask(self, progress: float) -> Array:
        if not self._trying and self._left <= 0:
            self._begin_chunk(progress)
        if self._explores:
            return self._search.ask(self.first)
        genomes: Array = np.concatenate([emitter.ask(self._rng) for emitter in self._playing()])
        return genomes

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        self._left -= len(genomes)
        learned: Metrics = {}
        if self._explores:
            self._explored(lived(self._descriptor, genomes, lives))
            if self.lesson_is_due(len(genomes)):
                learned = self._learn()
        else:
            self._emitted(lived(self._descriptor, genomes, lives))
        if not self._trying and self._left <= 0:
            self._end_chunk()
        own = {
            "explore/archive": float(len(self._search.archive)),
            "explore/rewarded": float(len(self._rewarded)),
            "explore/emitters": float(len(self._candidates) + len(self._emitters)),
        }
        return {**self.judge(genomes, lives), **self._told, **learned, **own}

    def collection(self) -> dict[str, Array]:
        return collected(self._descriptor, self._search.archive, self._rewarded) or super().collection()

    def _learn(self) -> Metrics:
        """A lesson of the descriptor; all that is kept is described anew."""
        if self.options.train_on_reward:
            told = self._search.learn(self._rewarded)
        else:
            told = self._search.learn()
            if self._rewarded:
                self._rewarded.outcomes = self._descriptor.renewed(self._rewarded.outcomes)
        for emitter in [*self._candidates, *self._emitters]:
            emitter.describe_anew(self._descriptor)
        return told

    def _begin_chunk(self, progress: float) -> None:
        self._left = self.options.chunk
        self._alive = len(self._candidates) + len(self._emitters)
        self._explores = self._schedule.explores(self._alive > 0, progress, self._rng)
        if self._explores:
            return
        search, describe = self._search, self._descriptor.describe
        compared = [search.parents, search.rejected, search.archive.outcomes, self._rewarded.outcomes]
        points = [describe(individuals) for individuals in compared if len(individuals["genomes"])]
        self._reference = np.concatenate(points)
        self._first_rewarded = len(self._reference) - len(self._rewarded)
        order = np.argsort(-self._novelty_of_ancestors(self._candidates), kind="stable")
        self._candidates = [self._candidates[i] for i in order.tolist()]
        left = self._left
        for candidate in self._candidates:
            if left <= self.options.chunk / 3:
                break
            left -= candidate.trial
            self._trying += 1
        if not self._trying:
            self._draw()

    def _end_chunk(self) -> None:
        if self._running != _NOBODY:
            self._emitters[self._running].renew()
            self._running = _NOBODY
        more = len(self._candidates) + len(self._emitters) - self._alive
        self._schedule.learn(math.tanh(-more if self._explores else more))

    def _playing(self) -> list[Emitter]:
        """Those whose next populations make a generation."""
        if self._trying:
            return [candidate for candidate in self._candidates[: self._trying] if candidate.populations < TRIAL]
        return [self._emitters[self._running]]

    def _explored(self, children: Obs) -> None:
        """Children of the novelty search lived; those that were paid begin emitters."""
        paid = np.flatnonzero(children["returns"] > self.options.reward_floor)
        sigmas = self._steps_around(children["genomes"], paid)
        self._told = self._search.tell(children, beside=self._rewarded)
        kind, first = self.options.emitter_kind, len(self._rewarded)
        for row, (place, sigma) in enumerate(zip(paid.tolist(), sigmas.tolist(), strict=True), start=first):
            self._candidates.append(Emitter(kind, row, children["genomes"][place].copy(), sigma))
        self._reward(some(children, paid))

    def _steps_around(self, children: Array, chosen: Array) -> Array:
        """A third of the distance from chosen children to the nearest other of parents and children; where it is 0,
        the step size of mutations. float64 [C]."""
        parents = self._search.parents.get("genomes", children[:0])
        distances = cdist(children[chosen], np.concatenate([children, parents]))
        distances[np.arange(len(chosen)), chosen] = np.inf
        steps = distances.min(axis=1) / 3
        found: Array = np.where((steps > 0) & np.isfinite(steps), steps, self.options.sigma)
        return found

    def _emitted(self, played: Obs) -> None:
        """Populations of emitters lived; where the budget ended, the last ones not whole."""
        points = self._descriptor.describe(played)
        played["novelty"] = novelty(points, self._reference, self.options.neighbours)
        at = 0
        for emitter in self._playing():
            rows = np.arange(at, at := at + emitter.asks)
            if at > len(points):
                break
            emitter.tell(some(played, rows))
            if emitter.populations > 1:
                self._reward(emitter.outstanding(self.options.reward_floor))
            if not self._trying:
                emitter.keep_aside()
        if self._trying and not self._playing():
            self._judge_candidates()
        elif not self._trying and self._emitters[self._running].stopped:
            self._retire(self._emitters.pop(self._running))
            self._draw()

    def _reward(self, individuals: Obs) -> None:
        """Add them to those that were paid."""
        if len(individuals["genomes"]):
            self._rewarded.add(_plain(individuals))

    def _judge_candidates(self) -> None:
        """Who got better becomes an emitter; the others are dropped."""
        tried, self._candidates = self._candidates[: self._trying], self._candidates[self._trying :]
        self._trying = 0
        for candidate in tried:
            candidate.renew()
        self._emitters += [candidate for candidate in tried if candidate.improvement > 0]
        self._draw()

    def _draw(self) -> None:
        """Who runs until the chunk ends: any that no other beats in its ancestor's novelty and its improvement."""
        self._running = _NOBODY
        if not self._emitters or self._left <= 0:
            self._left = 0
            return
        improvement = np.array([emitter.improvement for emitter in self._emitters])
        front = undominated(np.stack([self._novelty_of_ancestors(self._emitters), improvement], axis=1))
        self._running = int(self._rng.choice(np.flatnonzero(front)))
        emitter = self._emitters[self._running]
        row = np.array([self._first_rewarded + emitter.row])
        emitter.begin(float(novelty(self._reference[row], self._reference, self.options.neighbours, own=row)[0]))

    def _novelty_of_ancestors(self, emitters: list[Emitter]) -> Array:
        """Among those that were paid, float64 [C]."""
        points = self._descriptor.describe(self._rewarded.outcomes)
        rows = np.array([emitter.row for emitter in emitters], dtype=np.int64)
        return novelty(points[rows], points, self.options.neighbours, own=rows)

    def _retire(self, emitter: Emitter) -> None:
        """Some that it kept aside enter the archive of the novelty search."""
        if not emitter.aside:
            return
        aside, options = emitter.aside, self.options
        picked = self._rng.permutation(len(aside["novelty"]))[: options.archived]
        if options.archive_pick == "best":
            picked = np.argsort(-aside["novelty"], kind="stable")[: options.archived]
        self._search.archive.add(_plain(some(aside, picked)))

    def state_dict(self) -> State:
        own = {
            "search": self._search.state_dict(),
            "told": dict(self._told),
            "rewarded": self._rewarded.state_dict(),
            "candidates": [emitter.state_dict() for emitter in self._candidates],
            "emitters": [emitter.state_dict() for emitter in self._emitters],
            "schedule": self._schedule.state_dict(),
            "reference": torch.from_numpy(self._reference.copy()),
        }
        return super().state_dict() | own | {name: getattr(self, f"_{name}") for name in _COUNTERS}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._search.load_state_dict(state["search"])
        self._told = dict(state["told"])
        self._rewarded.load_state_dict(state["rewarded"])
        kind = self.options.emitter_kind
        self._candidates = [Emitter.restored(kind, saved) for saved in state["candidates"]]
        self._emitters = [Emitter.restored(kind, saved) for saved in state["emitters"]]
        self._schedule.load_state_dict(state["schedule"])
        self._reference = state["reference"].numpy().copy()
        for name in _COUNTERS:
            setattr(self, f"_{name}", state[name])


_COUNTERS = ("explores", "left", "alive", "trying", "running", "first_rewarded")


def _plain(individuals: Obs) -> Obs:
    """As archives have them: without their novelty."""
    return {name: entry for name, entry in individuals.items() if name != "novelty"}
