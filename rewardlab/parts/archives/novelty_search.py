"""Novelty search: who has children, who is remembered and who survives, for every agent that explores in this way.

Paper: Lehman and Stanley 2011, Abandoning objectives: evolution through the search for novelty alone; the order of a
generation is that of Paolo's code (STAX repository).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.errors import UserError
from rewardlab.maths.novelty import novelty
from rewardlab.parts.archives.descriptors import DescriptorOptions
from rewardlab.parts.archives.novelty_archive import NoveltyArchive, joined, restored, saved, some
from rewardlab.schemas import option
from rewardlab.types import Array, Metrics, Obs, State

WIDEST = 5.0  # of a genome's numbers


@dataclass
class NoveltyOptions(DescriptorOptions):
    children: int = option(2, "of each parent", above=0)
    sigma: float = option(0.05, "step size of mutations", above=0)
    neighbours: int = option(15, "nearest others that novelty is the mean distance to", above=0)
    archived: int = option(5, "children that enter the archive in each generation", above=0)
    archive_pick: str = option("random", "which", choices=("random", "best"))
    criterion: str = option(
        "novelty", "who survives: the most novel, those that a descriptor that learns knows least, or either by a fair"
        " coin in each generation", choices=("novelty", "surprise", "either"), neutral="novelty",
    )  # fmt: skip
    novelty_first: int = option(
        0, "criterion=either: generations by novelty before the first coin", minimum=0, neutral=0
    )


class NoveltySearch:
    """`population` parents bear `children` each; the most novel of parents and children are the next parents.

    Where the criterion is `either`, a fair coin says in each generation whether novelty or surprise decides (TAXONS).

    The novelty of all of them is the mean distance to the `neighbours` nearest among them and the archive, as it stood
    before. `archived` children enter it. Parents are not played again.

    Args:
        options: `NoveltyOptions`, and `population`.
        descriptor: what `make_descriptor` gives.

    Attributes:
        parents: those that have children next, as `lived` has them; empty before the first.
        rejected: likewise, the latest children that are not among them.
        archive: of individuals that later ones must differ from.

    Raises:
        UserError: surprise is asked for, of a descriptor that does not learn.
    """

    def __init__(self, options: Any, descriptor: Any, rng: np.random.Generator) -> None:
        if options.criterion != "novelty" and not descriptor.learns:
            raise UserError(
                f"agent.criterion={options.criterion}: descriptor={options.descriptor} does not learn, so that nothing"
                " surprises; set agent.descriptor=autoencoder"
            )
        self._options, self._descriptor, self._rng = options, descriptor, rng
        self._generation = 0
        self.archive = NoveltyArchive()
        self.parents: Obs = {}
        self.rejected: Obs = {}

    def ask(self, first: Callable[[int], Array]) -> Array:
        """The children, float32 [P, G]; without parents what `first` makes of their number."""
        options = self._options
        if not self.parents:
            return first(options.population)
        return mutated(self.parents["genomes"].repeat(options.children, axis=0), options.sigma, self._rng)

    def tell(self, children: Obs, beside: NoveltyArchive | None = None) -> Metrics:
        """How children lived, as `lived` has them. `beside`: further individuals that novelty is compared with."""
        options = self._options
        everybody = joined(self.parents, children)
        archives = [self.archive] if beside is None else [self.archive, beside]
        found = novelty_of(self._descriptor, everybody, archives, options.neighbours)
        young = np.arange(len(found) - len(children["genomes"]), len(found))
        count = min(options.archived, len(young))
        picked = self._rng.choice(young, size=count, replace=False)
        value = self._value(found, everybody)
        if options.archive_pick == "best":
            picked = young[np.argsort(-value[young], kind="stable")[:count]]
        self.archive.add(some(everybody, picked))
        order = np.argsort(-value, kind="stable")
        best, others = order[: options.population], order[options.population :]
        self.parents, self.rejected = some(everybody, best), some(everybody, others[others >= young[0]])
        told = {"explore/archive": float(len(self.archive)), "explore/novelty": float(found[young].mean())}
        if self._descriptor.learns:
            told["explore/surprise"] = float(self._descriptor.surprise(children).mean())
        return told

    def learn(self, *beside: NoveltyArchive) -> Metrics:
        """A lesson of a descriptor that learns: on parents, the latest children, the archive and others beside it.

        All of them are described anew.
        """
        archives = [archive for archive in (self.archive, *beside) if archive]
        known = [each for each in (self.parents, self.rejected) if len(each["genomes"])]
        lives = [*known, *(archive.outcomes for archive in archives)]
        descriptor = self._descriptor
        told: Metrics = descriptor.fit(
            {name: np.concatenate([each[name] for each in lives]) for name in self.parents}, self._rng
        )
        self.parents, self.rejected = (descriptor.renewed(each) for each in (self.parents, self.rejected))
        for archive in archives:
            archive.outcomes = descriptor.renewed(archive.outcomes)
        return told

    def _value(self, found: Array, everybody: Obs) -> Array:
        """What individuals are ranked by: their novelty or surprise."""
        criterion, self._generation = self._options.criterion, self._generation + 1
        if criterion == "either":
            tossed = self._generation > self._options.novelty_first and self._rng.random() < 0.5
            criterion = "surprise" if tossed else "novelty"
        if criterion == "novelty":
            return found
        surprise: Array = self._descriptor.surprise(everybody)
        return surprise

    def state_dict(self) -> State:
        own = {"parents": saved(self.parents), "rejected": saved(self.rejected)}
        learned = {"descriptor": self._descriptor.state_dict()} if self._descriptor.learns else {}
        return own | {"archive": self.archive.state_dict(), "generation": self._generation, **learned}

    def load_state_dict(self, state: State) -> None:
        self.parents, self.rejected = restored(state["parents"]), restored(state["rejected"])
        self.archive.load_state_dict(state["archive"])
        self._generation = state["generation"]
        if self._descriptor.learns:
            self._descriptor.load_state_dict(state["descriptor"])


def novelty_of(descriptor: Any, outcomes: Obs, archives: Sequence[NoveltyArchive], neighbours: int) -> Array:
    """The novelty of lives, float64 [P], among themselves and in archives."""
    points = descriptor.describe(outcomes)
    others = [points, *(descriptor.describe(archive.outcomes) for archive in archives if len(archive))]
    return novelty(points, np.concatenate(others), neighbours, own=np.arange(len(points)))


def mutated(genomes: Array, sigma: float | Array, rng: np.random.Generator) -> Array:
    """Genomes float32 [P, G] with N(0, sigma) added to every number, kept within `WIDEST` of 0; sigma may be [P, 1]."""
    drawn = rng.standard_normal(genomes.shape, dtype=np.float32)
    found: Array = (genomes + np.asarray(sigma, dtype=np.float32) * drawn).clip(-WIDEST, WIDEST)
    return found


def collected(descriptor: Any, *archives: NoveltyArchive) -> dict[str, Array]:
    """Genomes, descriptors and returns of all that are in archives; empty where nobody is."""
    held = [archive.outcomes for archive in archives if archive]
    if not held:
        return {}
    found = {name: np.concatenate([entry[name] for entry in held]) for name in ("genomes", "returns")}
    return found | {"descriptors": np.concatenate([descriptor.describe(entry) for entry in held])}
