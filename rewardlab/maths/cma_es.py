"""CMA-ES: a Gaussian that moves to its best samples, and learns step size and shape on the way.

Source: Hansen 2016, The CMA evolution strategy: a tutorial (arXiv:1604.00772), without negative weights; the test that
stalls the path of the shape is that of the author's code (`cma`). The path follows (m' - m) / sigma, and the rank-one
term is c1 times its outer product: pyribs 0.12 multiplies by c1 twice and leaves out sigma, and needs twice the
evaluations. Separable: Ros and Hansen 2008, whose rates are (n + 2) / 3 times as large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from rewardlab.types import Array, State

_MOST_DRAWS = 100  # of a sample that lies outside of the bounds
_CONDITION, _SMALLEST = 1e14, 1e-11
_ARRAYS = ("mean", "covariance", "step_path", "shape_path")
LARGEST_FULL = 300  # numbers of a genome whose covariances are all learned


@dataclass
class CmaEs:
    """The Gaussian N(mean, sigma^2 C) of dimension n.

    Attributes:
        mean: float64 [n]. sigma: the step size.
        covariance: C, float64 [n, n], or its diagonal [n] where it is separable.
        step_path, shape_path: the evolution paths, float64 [n].
        generation: updates so far.
    """

    mean: Array
    sigma: float
    separable: bool = False
    covariance: Array = field(default_factory=lambda: np.zeros(0))
    step_path: Array = field(default_factory=lambda: np.zeros(0))
    shape_path: Array = field(default_factory=lambda: np.zeros(0))
    generation: int = 0

    def __post_init__(self) -> None:
        size = len(self.mean)
        if not self.covariance.size:
            self.covariance = np.ones(size) if self.separable else np.eye(size)
            self.step_path, self.shape_path = np.zeros(size), np.zeros(size)

    def ask(self, count: int, rng: np.random.Generator, bound: float = np.inf) -> Array:
        """Samples float64 [count, n]; those with a number beyond +-bound are drawn again, at last cut."""
        values, vectors = self._eigen()
        samples = np.zeros((count, len(self.mean)))
        left = np.arange(count)
        for _ in range(_MOST_DRAWS):
            drawn = rng.standard_normal((len(left), len(self.mean))) * np.sqrt(values)
            samples[left] = self.mean + self.sigma * (drawn if self.separable else drawn @ vectors.T)
            left = left[(np.abs(samples[left]) > bound).any(axis=1)]
            if not len(left):
                break
        return samples.clip(-bound, bound)

    def tell(self, parents: Array) -> None:
        """Move towards the best samples, the best first, float64 [mu, n]; none: stay."""
        count, size = parents.shape
        if count == 0:
            return
        weights = recombination_weights(count)
        effective = 1.0 / float((weights**2).sum())
        rates = _rates(size, effective, self.separable)
        steps = (parents - self.mean) / self.sigma
        step = weights @ steps
        self.mean = self.mean + self.sigma * step
        values, vectors = self._eigen()
        white = step / np.sqrt(values) if self.separable else vectors @ ((vectors.T @ step) / np.sqrt(values))
        self.generation += 1
        pull = math.sqrt(rates.step * (2 - rates.step) * effective)
        self.step_path = (1 - rates.step) * self.step_path + pull * white
        length = float(self.step_path @ self.step_path)
        moving = length / size / (1 - (1 - rates.step) ** (2 * self.generation)) < 2 + 4 / (size + 1)
        pull = math.sqrt(rates.shape * (2 - rates.shape) * effective)
        self.shape_path = (1 - rates.shape) * self.shape_path + moving * pull * step
        kept = 1 - rates.one * (1 - (not moving) * rates.shape * (2 - rates.shape)) - rates.many
        if self.separable:
            spread, path = weights @ steps**2, self.shape_path**2
        else:
            spread, path = (steps.T * weights) @ steps, np.outer(self.shape_path, self.shape_path)
        self.covariance = kept * self.covariance + rates.one * path + rates.many * spread
        expected = math.sqrt(size) * (1 - 1 / (4 * size) + 1 / (21 * size**2))
        self.sigma *= math.exp(rates.step / rates.damping * (math.sqrt(length) / expected - 1))

    @property
    def degenerate(self) -> bool:
        """Whether it has become a line or a point: time to start anew."""
        values = self._eigen()[0]
        return bool(values.max() > _CONDITION * values.min() or self.sigma * math.sqrt(values.max()) < _SMALLEST)

    def state_dict(self) -> State:
        held = {name: torch.from_numpy(getattr(self, name).copy()) for name in _ARRAYS}
        return held | {"sigma": self.sigma, "generation": self.generation}

    def load_state_dict(self, state: State) -> None:
        for name in _ARRAYS:
            setattr(self, name, state[name].cpu().numpy().copy())
        self.sigma, self.generation = state["sigma"], state["generation"]

    def _eigen(self) -> tuple[Array, Array]:
        """Eigenvalues [n] and, unless it is separable, the matrix of eigenvectors."""
        if self.separable:
            return self.covariance, np.zeros(0)
        values, vectors = np.linalg.eigh((self.covariance + self.covariance.T) / 2)
        return values.clip(1e-300), vectors


@dataclass(frozen=True)
class _Rates:
    step: float
    shape: float
    one: float
    many: float
    damping: float


def recombination_weights(count: int) -> Array:
    """Weights of so many parents, the best first, float64 [mu]; their sum is 1."""
    weights = math.log(count + 0.5) - np.log(np.arange(1, count + 1))
    found: Array = weights / weights.sum()
    return found


def default_samples(size: int) -> int:
    """How many samples a generation has: 4 + 3 ln n."""
    return 4 + int(3 * math.log(size))


def _rates(size: int, effective: float, separable: bool) -> _Rates:
    step = (effective + 2) / (size + effective + 5)
    shape = (4 + effective / size) / (size + 4 + 2 * effective / size)
    faster = (size + 2) / 3 if separable else 1.0
    one = min(1.0, faster * 2 / ((size + 1.3) ** 2 + effective))
    many = min(1 - one, faster * 2 * (effective - 2 + 1 / effective) / ((size + 2) ** 2 + effective))
    damping = 1 + 2 * max(0.0, math.sqrt((effective - 1) / (size + 1)) - 1) + step
    return _Rates(step, shape, one, many, damping)
