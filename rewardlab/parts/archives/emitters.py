"""Where children of a grid archive come from: mutations of its elites, or Gaussians that follow what improves it.

Source: Vassiliades and Mouret 2018 (isoline; arXiv:1804.03906); Fontaine et al. 2020, Covariance matrix adaptation for
the rapid illumination of behavior space (CMA-ME; arXiv:1912.02400), constants of pyribs' example.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.maths.cma_es import LARGEST_FULL, CmaEs
from rewardlab.parts.archives.grid_archive import Added, GridArchive
from rewardlab.types import Array, State

RANKERS = ("two_stage", "improvement", "objective", "random_direction")
_ISO, _LINE = 0.01, 0.2


def mutants(archive: GridArchive, count: int, sigma: float, rng: np.random.Generator) -> Array:
    """Elites with every number mutated."""
    parents = archive.draw(count, rng)
    found: Array = parents + np.float32(sigma) * rng.standard_normal(parents.shape, dtype=np.float32)
    return found


def isoline_mutants(archive: GridArchive, count: int, rng: np.random.Generator) -> Array:
    """Elites moved a little everywhere, and along the line to another elite by one number for the whole genome."""
    parents, others = archive.draw(count, rng), archive.draw(count, rng)
    everywhere = np.float32(_ISO) * rng.standard_normal(parents.shape, dtype=np.float32)
    along = np.float32(_LINE) * rng.standard_normal((count, 1), dtype=np.float32)
    found: Array = parents + everywhere + (others - parents) * along
    return found


class CmaEmitter:
    """A CMA-ES whose samples are ranked by what they did to the archive.

    Args:
        start: float [G], where it begins. sigma: its first step size.
        ranker: two_stage: new cells first, then improved ones, each by gain; improvement: by gain; objective: by value;
            random_direction: new cells first, by how far descriptors lie along a direction drawn at each restart.
        filter: parents are those that entered the archive, and it begins anew where none did; else the better half.
    """

    def __init__(
        self, start: Array, sigma: float, ranker: str, filter_parents: bool, dimensions: int, rng: np.random.Generator
    ) -> None:
        self._sigma, self._ranker, self._filter, self._dimensions = sigma, ranker, filter_parents, dimensions
        self._direction = np.zeros(dimensions)
        self._begin(start, rng)

    def ask(self, count: int, rng: np.random.Generator) -> Array:
        return self._es.ask(count, rng)

    def tell(
        self, samples: Array, values: Array, descriptors: Array, added: Added, archive: GridArchive,
        rng: np.random.Generator,
    ) -> bool:  # fmt: skip
        """Learn from samples [P, G]; whether it begins anew, from a random elite."""
        order = np.lexsort(tuple(-key for key in reversed(self._keys(values, descriptors, added))))
        parents = int((added.status > 0).sum()) if self._filter else len(samples) // 2
        if self._filter:
            order = order[added.status[order] > 0]
        ranking = self._keys(values, descriptors, added)[-1]
        flat = len(samples) > 1 and float(ranking.max() - ranking.min()) < 1e-12
        self._es.tell(samples[order[:parents]])
        if (self._filter and parents == 0) or self._es.degenerate or flat:
            self._begin(archive.draw(1, rng)[0], rng)
            return True
        return False

    def _keys(self, values: Array, descriptors: Array, added: Added) -> list[Array]:
        """What ranks samples, the most important first; larger is better."""
        if self._ranker == "two_stage":
            return [added.status, added.gain]
        if self._ranker == "improvement":
            return [added.gain]
        if self._ranker == "objective":
            return [values]
        return [added.status, descriptors @ self._direction]

    def _begin(self, start: Array, rng: np.random.Generator) -> None:
        self._es = CmaEs(np.asarray(start, np.float64).copy(), self._sigma, separable=len(start) > LARGEST_FULL)
        self._direction = rng.standard_normal(self._dimensions)

    def state_dict(self) -> State:
        return self._es.state_dict() | {"direction": torch.from_numpy(self._direction.copy())}

    def load_state_dict(self, state: State) -> None:
        self._es.load_state_dict(state)
        self._direction = state["direction"].numpy().copy()
