"""Emitters around an individual that was paid: small populations that climb while it gets them anywhere.

Paper: Paolo et al. 2021, Sparse reward exploration via novelty search and emitters (SERENE; arXiv:2102.03140); details
are those of its code (STAX repository). The default there is not CMA-ES: six individuals bear two children each, the
best six of all survive, and the step size never changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rewardlab.maths.cma_es import LARGEST_FULL, CmaEs
from rewardlab.parts.archives.novelty_archive import joined, restored, saved, some
from rewardlab.parts.archives.novelty_search import WIDEST, mutated
from rewardlab.types import Array, Obs, State

KINDS = ("elitist", "novelty", "cma")
SIZE = 6  # individuals of an emitter
TRIAL = 6  # populations by which a candidate is judged
_CHILDREN = 2
_COMPARED = 3  # populations at either end that improvement compares
_LEAST_WINDOW = 120  # populations that stagnation looks at, of a genome without numbers
_ENDS = 20  # populations at either end of these that it compares


class Emitter:
    """The offspring of one paid ancestor.

    Args:
        kind: elitist: the best paid of a population and its children survive; novelty: the most novel ones; cma: a
            CMA-ES on returns, whose samples are the population.
        row: of the ancestor in the archive of those that were paid.
        ancestor: float32 [G]. sigma: step size; of cma the first one.

    Attributes:
        population: as `novelty_archive.lived` has it, and `novelty` [6]; empty before the first was told.
        aside: likewise, members that were more novel than all before.
        improvement: by how much the latest populations are paid more than the first ones, at least 0.
    """

    def __init__(self, kind: str, row: int, ancestor: Array, sigma: float) -> None:
        self._kind, self.row, self._ancestor, self._sigma = kind, row, ancestor, sigma
        self._es = None
        if kind == "cma":
            start = ancestor.astype(np.float64)
            self._es = CmaEs(start, sigma, separable=len(ancestor) > LARGEST_FULL)
        self.population: Obs = {}
        self.aside: Obs = {}
        self.improvement = 0.0
        self._values: list[Array] = []  # returns [6] of each population
        self._archived, self._most_novel = -np.inf, -np.inf

    @property
    def populations(self) -> int:
        """How many there were, the first one included."""
        return len(self._values)

    @property
    def asks(self) -> int:
        """How many individuals are played next."""
        return SIZE * _CHILDREN if self.population and self._es is None else SIZE

    @property
    def trial(self) -> int:
        """How many are played until a new candidate is judged."""
        return SIZE * (1 + (TRIAL - 1) * (_CHILDREN if self._es is None else 1))

    def ask(self, rng: np.random.Generator) -> Array:
        """Who is played next, float32 [asks, G]."""
        if self._es is not None:
            return self._es.ask(SIZE, rng, WIDEST).astype(np.float32)
        parents = self.population["genomes"] if self.population else self._ancestor[None].repeat(SIZE, axis=0)
        return mutated(parents.repeat(self.asks // SIZE, axis=0), self._sigma, rng)

    def tell(self, played: Obs) -> None:
        """How they lived; `novelty` [asks] is among the entries."""
        if self._es is not None:
            order = np.argsort(-played["returns"], kind="stable")[: SIZE // 2]
            self._es.tell(played["genomes"][order].astype(np.float64))
            self.population = played
        else:
            everybody = joined(self.population, played)
            value = everybody["novelty" if self._kind == "novelty" else "returns"]
            best = np.argsort(value, kind="stable")[::-1][:SIZE]  # of equals the youngest, as in the authors' code
            self.population = some(everybody, best)
        self._values.append(self.population["returns"].copy())

    def outstanding(self, floor: float) -> Obs:
        """Members for the archive of those that were paid: at first the best, if it was paid more than `floor`.

        Later all that were paid more than any that it gave before.
        """
        returns = self.population["returns"]
        if np.isfinite(self._archived):
            rows = np.flatnonzero(returns > self._archived)
        else:
            rows = np.flatnonzero((returns == returns.max()) & (returns > floor))[:1]
        self._archived = max([self._archived, *returns[rows].tolist()])
        return some(self.population, rows)

    def begin(self, novelty: float) -> None:
        """Take the ancestor's novelty as that of its most novel, where no member is more novel yet."""
        if not self.aside:
            self._most_novel = novelty

    def keep_aside(self) -> None:
        """Members that are more novel than its most novel so far."""
        rows = np.flatnonzero(self.population["novelty"] > self._most_novel)
        if len(rows):
            self.aside = joined(self.aside, some(self.population, rows))
            self._most_novel = float(self.population["novelty"][rows].max())

    def renew(self) -> None:
        """Measure the improvement anew."""
        latest, first = np.mean(self._values[-_COMPARED:]), np.mean(self._values[:_COMPARED])
        self.improvement = max(0.0, float(latest - first))

    def describe_anew(self, descriptor: Any) -> None:
        """After a lesson of what tells lives apart. Novelty that was measured stays, as in the authors' code."""
        self.population, self.aside = (
            descriptor.renewed(each) if each else each for each in (self.population, self.aside)
        )

    @property
    def stopped(self) -> bool:
        """Whether it gets nowhere any more."""
        if self._es is not None and self._es.degenerate:
            return True
        window = int(20 * len(self._ancestor) / SIZE + _LEAST_WINDOW)
        return self.populations - 1 > window and stagnated(np.stack(self._values[-window:]))

    def state_dict(self) -> State:
        arrays = {"ancestor": self._ancestor, "values": np.array(self._values).reshape(-1, SIZE)}
        own: State = {"row": self.row, "sigma": self._sigma, "improvement": self.improvement}
        own |= {"archived": self._archived, "most_novel": self._most_novel}
        begun = self._es if self._values else None  # of hundreds of candidates most have not
        own |= {"cma": begun.state_dict() if begun is not None else None}
        return own | saved(arrays) | {"population": saved(self.population), "aside": saved(self.aside)}

    @classmethod
    def restored(cls, kind: str, state: State) -> Emitter:
        """The one whose state this is."""
        emitter = cls(kind, state["row"], state["ancestor"].numpy().copy(), state["sigma"])
        if emitter._es is not None and state["cma"] is not None:
            emitter._es.load_state_dict(state["cma"])
        emitter.population, emitter.aside = restored(state["population"]), restored(state["aside"])
        emitter._values = list(state["values"].numpy().copy())
        emitter.improvement = state["improvement"]
        emitter._archived, emitter._most_novel = state["archived"], state["most_novel"]
        return emitter


def stagnated(values: Array) -> bool:
    """Whether populations at the end of a window are no better than at its beginning, in their median or maximum.

    Args:
        values: returns, float [W, 6], of W populations.
    """
    first, last = values[:_ENDS], values[-_ENDS:]
    return bool(np.median(first) >= np.median(last) or first.max() >= last.max())
