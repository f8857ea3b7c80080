"""An evolution strategy: one network follows the ranks of the returns of many copies with noise

Papers: Salimans et al. 2017, Evolution strategies as a scalable alternative to reinforcement learning
(arXiv:1703.03864); Conti et al. 2018, Improving exploration in evolution strategies (arXiv:1712.06560)

A generation is n = population / 2 antithetic pairs theta +- sigma * eps. With the centred ranks w of their mean
returns, equal returns having the mean of their ranks, g = sum (w+ - w-) * eps / (2n), and Adam takes a step along
g - l2 * theta. The champion is theta itself, which then plays `validation` lives on every level; those are frames too.
Where the budget ends within a generation, so that less than half of the pairs have lived, there is no step: Adam would
take one of full length after few lives.

agent=ns_es, agent=nsr_es: w are ranks of novelty, or the mean of both ranks. There are `parents` thetas, each with an
Adam of its own. They play before the first generation; then one is drawn for each, as likely as it is novel. Novelty is
the mean distance to the `neighbours` nearest of an archive of the thetas alone, as it stands when the generation
begins, a parent's own place left out. What theta's lives come to after the step, on the mean, enters the archive.
Champion is the parent whose latest lives were paid best, the first of equals.

The papers' sigma of 0.02 and learning rate of 0.01 are for networks of a million numbers and thousands of individuals.
The defaults of `population`, `sigma` and `lr` are ours, chosen on DoorKey-5x5; `l2`, `neighbours` and `parents` theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.agents.population.base import PopulationAgent, PopulationConfig
from rewardlab.maths.novelty import novelty
from rewardlab.maths.ranks import centred_ranks
from rewardlab.networks.adam import Adam
from rewardlab.parts.archives.descriptor_kinds import make_descriptor
from rewardlab.parts.archives.descriptors import BOUNDED
from rewardlab.parts.archives.novelty_archive import NoveltyArchive
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Lives, Metrics, State, StreamSpec

VERSION = 1
_LIMIT, _LEAST_STD = 5.0, 0.1  # of inputs that are standardised by what was played, and of their deviations
_NOBODY = -1


@dataclass
class Config(PopulationConfig):
    population: int = option(64, "individuals of a generation, in antithetic pairs", minimum=2, maximum=10**6)
    validation: int = option(1, "lives of each new theta on every level, whose mean return is explore/theta", above=0)
    sigma: float = option(0.2, "size of the noise", above=0)
    lr: float = option(0.1, "learning rate of Adam", above=0)
    l2: float = option(0.005, "how much of theta is taken from what it climbs", minimum=0)
    normalise: str = option(
        "first",
        "floats are scaled by random lives before all others, or by all lives",
        choices=("first", "running"),
    )
    criterion: str = option(
        "return", "what ranks individuals: novelty, or the mean of both ranks", choices=("return", "novelty", "both")
    )
    parents: int = option(1, "criterion=novelty, both: thetas that take turns", above=0)
    neighbours: int = option(10, "criterion=novelty, both: nearest in the archive that novelty is a mean of", above=0)
    descriptor: str = option("place", "criterion=novelty, both: what tells lives apart", choices=BOUNDED)
    samples: int = option(5, "descriptor=samples: places that are looked at", above=0)

    def validate(self) -> None:
        super().validate()
        if self.population % 2:
            raise ValueError(f"population={self.population}: must be even, for there are pairs")
        if self.criterion == "return" and self.parents > 1:
            raise ValueError(f"parents={self.parents}: needs criterion=novelty or both, for novelty draws who is next")


class _Parent:
    """A theta, float32 [G], and the Adam that moves it."""

    def __init__(self, theta: Array, lr: float) -> None:
        weights = torch.nn.Parameter(torch.from_numpy(theta.copy()))
        self.adam = Adam([weights], lr)
        self._weights = weights.data

    @property
    def theta(self) -> Array:
        return self._weights.numpy()

    def state_dict(self) -> State:
        return {"theta": self._weights.clone(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self._weights.copy_(state["theta"])
        self.adam.load_state_dict(state["adam"])


class Agent(PopulationAgent):
    """Thetas with their Adams, how they lived last, the archive; between asking and telling, the noise."""

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self.metrics += ("explore/theta",)
        self._seeks = config.criterion != "return"
        if self._seeks:
            self.metrics += ("explore/archive", "explore/novelty")
            self._descriptor = make_descriptor(config, context)
            self.tell_apart_by(self._descriptor)
        if config.normalise == "running" and self.genome.floats.any():
            self.normalise, self.genome.limit = "running", _LIMIT
        self._sums, self._count = np.zeros((2, self.genome.sizes[0])), 0
        self._parents: list[_Parent] = []
        self._returns = np.full(config.parents, -np.inf)  # of the latest lives of each theta
        self._born = np.zeros(config.parents, dtype=np.int64)  # individuals that had lived when each was made
        self._rows = np.full(config.parents, _NOBODY)  # where these stand in the archive
        self._archive = NoveltyArchive()
        self._turn = 0
        self._noise = np.zeros((0, self.genome.size), dtype=np.float32)

    def ask(self, progress: float) -> Array:
        options = self.options
        if not self._parents:
            self._parents = [_Parent(theta, options.lr) for theta in self.first(options.parents)]
        self._rescale()
        if self._seeks and not len(self._archive):
            return np.stack([parent.theta for parent in self._parents]).repeat(options.validation, axis=0)
        self._turn = self._next()
        self._noise = self._rng.standard_normal((options.population // 2, self.genome.size), dtype=np.float32)
        theta, step = self._parents[self._turn].theta, np.float32(options.sigma) * self._noise
        return np.stack([theta + step, theta - step], axis=1).reshape(-1, self.genome.size)

    def tell(self, genomes: Array, lives: Lives) -> Metrics:
        self._see(lives)
        told: Metrics = {}
        if np.isfinite(self._returns[self._turn]):
            told["explore/theta"] = float(self._returns[self._turn])
        if len(self._noise):
            told |= self._climb(lives)
        else:
            self._begin(lives)
        return {**self.judge(genomes, lives), **told}

    def nominate(self, genomes: Array, fitness: Array) -> None:
        """Champion is who was paid best of the thetas, the first of equals."""
        best = int(self._returns.argmax())
        self._enthrone(self._parents[best].theta, self._returns[best], self._born[best])

    def crown(self, lives: Lives) -> None:
        """How the new theta lived."""
        self._see(lives)
        self._returns[self._turn] = lives.fitness.mean()
        if self._seeks:
            self._rows[self._turn] = len(self._archive)
            kept = self._descriptor.kept(lives)
            self._archive.add({name: entry.mean(axis=0, keepdims=True) for name, entry in kept.items()})
        self.nominate(self.contenders, lives.fitness)
        self.contenders = self.contenders[:0]

    def collection(self) -> dict[str, Array]:
        """The thetas, and the mean returns of their latest lives: nan where the budget ended before these."""
        if not self._parents:
            return super().collection()
        returns = np.where(np.isfinite(self._returns), self._returns, np.nan)
        kept = {"genomes": np.stack([parent.theta for parent in self._parents]), "returns": returns}
        return kept | ({"descriptors": self._described()[self._rows]} if len(self._archive) else {})

    def _begin(self, lives: Lives) -> None:
        """The archive begins with all parents; where the budget ended between them, not yet."""
        many = len(self._parents)
        if len(lives.length) < many * self.options.validation:
            return
        self._returns, self._rows = lives.fitness.reshape(many, -1).mean(axis=1), np.arange(many)
        self._born = (np.arange(many) + 1) * self.options.validation
        kept = self._descriptor.kept(lives).items()
        self._archive.add({name: entry.reshape(many, -1, *entry.shape[1:]).mean(axis=1) for name, entry in kept})

    def _next(self) -> int:
        """Whose turn it is: drawn by the novelty of the thetas' latest lives."""
        if len(self._parents) == 1:
            return 0
        points = self._described()
        found = novelty(points[self._rows], points, self.options.neighbours, own=self._rows)
        chances = found / found.sum() if found.any() else None
        return int(self._rng.choice(len(self._parents), p=chances))

    def _climb(self, lives: Lives) -> Metrics:
        """One step of the theta whose turn it is; none where the budget left less than half of the pairs."""
        options, pairs = self.options, len(lives.length) // 2
        ranks, told = [], {}
        if options.criterion != "novelty":
            ranks.append(centred_ranks(lives.fitness[: 2 * pairs]))
        if self._seeks:
            archive = self._described()
            found = novelty(self._descriptor.describe(self._descriptor.kept(lives)), archive, options.neighbours)
            ranks.append(centred_ranks(found[: 2 * pairs]))
            told = {"explore/archive": float(len(archive)), "explore/novelty": float(found.mean())}
        if 2 * pairs >= len(self._noise):
            parent, weights = self._parents[self._turn], np.mean(ranks, axis=0).reshape(pairs, 2)
            ascent = (weights[:, 0] - weights[:, 1]).astype(np.float32) @ self._noise[:pairs] / np.float32(2 * pairs)
            parent.adam.step(torch.from_numpy(np.float32(options.l2) * parent.theta - ascent))
            self._returns[self._turn], self._born[self._turn] = -np.inf, self._lived + len(lives.length)
            self.contenders = parent.theta[None].repeat(options.validation, axis=0)
            self.validation = lives.task_return.shape[1]
        self._noise = self._noise[:0]
        return told

    def _described(self) -> Array:
        """All that the archive holds, float64 [M, B]."""
        found: Array = self._descriptor.describe(self._archive.outcomes)
        return found

    def _see(self, lives: Lives) -> None:
        """Take what was acted on into the scale of the next generation."""
        if self.normalise == "running":
            self._sums += lives.outcome["sums"].sum(axis=(0, 1))
            self._count += int(lives.length.sum())

    def _rescale(self) -> None:
        if self._count:
            mean, square = self._sums / self._count
            self.genome.rescale(mean, np.sqrt(np.maximum(square - mean * mean, _LEAST_STD**2)))

    def state_dict(self) -> State:
        arrays = {"returns": self._returns, "thetas_born": self._born, "rows": self._rows}
        arrays |= {"noise": self._noise, "sums": self._sums}
        own: State = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        own |= {"parents": [parent.state_dict() for parent in self._parents], "archive": self._archive.state_dict()}
        return super().state_dict() | own | {"turn": self._turn, "count": self._count}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._returns, self._rows = state["returns"].numpy().copy(), state["rows"].numpy().copy()
        self._born = state["thetas_born"].numpy().copy()
        self._noise, self._sums = state["noise"].numpy().copy(), state["sums"].numpy().copy()
        self._turn, self._count = state["turn"], state["count"]
        self._parents = [_Parent(np.zeros(self.genome.size, np.float32), self.options.lr) for _ in state["parents"]]
        for parent, saved in zip(self._parents, state["parents"], strict=True):
            parent.load_state_dict(saved)
        self._archive.load_state_dict(state["archive"])
