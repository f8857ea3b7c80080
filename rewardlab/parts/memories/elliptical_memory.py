"""How unlike what the episode has seen a feature vector is: ellipses around the features, one per environment."""

from functools import partial
from typing import Any

import numpy as np
import torch

from rewardlab.kernel_cache import kept
from rewardlab.types import Array, State

_GOES_ON, _EMPTY = -2, -1  # what happens to a memory before a step; from 0 on: it begins with that first frame


class EllipticalMemory:
    """The inverse of C = ridge * I + sum of f f^T over the episode's features f, for each environment.

    A feature vector is worth f^T C^-1 f with the C from before it, and is then taken into C by a rank-one update
    (Sherman and Morrison 1950): C^-1 - u u^T / (1 + f^T u) with u = C^-1 f. Source: Henaff et al. 2022,
    Exploration via elliptical episodic bonuses. In float64: an episode is up to thousands of
    updates long, and on small matrices that costs nothing.
    """

    def __init__(self, num_envs: int, size: int, ridge: float) -> None:
        self._ridge = ridge
        self._inverse = np.empty((num_envs, size, size))
        self.forget()

    def forget(self) -> None:
        """Begin a new episode in every environment."""
        self._inverse[:] = np.eye(self._inverse.shape[1]) / self._ridge

    def visits(self, features: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """The worth of each frame on its arrival, float32 [T, N]; 0 for the first of an episode.

        Args:
            features: [T, N, D] of the observations acted on.
            first: bool [T, N], where an episode begins: with an empty memory.
        """
        begins = np.where(first.cpu().numpy(), _EMPTY, _GOES_ON)
        return self._worth(features[:0, 0], features, begins).masked_fill(first, 0.0)

    def arrivals(self, first_features: torch.Tensor, features: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """The worth of each successor on its arrival, float32 [T, N]; an episode's first frame is in memory before.

        Args:
            first_features: [F, D], of the first frames of the episodes that begin in the rollout, in the order of
                `first.nonzero()`.
            features: [T, N, D] of the true successors.
            first: bool [T, N].
        """
        begins = np.full(tuple(first.shape), _GOES_ON)
        begins[first.cpu().numpy()] = np.arange(len(first_features))
        return self._worth(first_features, features, begins)

    def _worth(self, first_features: torch.Tensor, features: torch.Tensor, begins: Array) -> torch.Tensor:
        worth = np.empty(begins.shape)
        given = (first_features.double().cpu().numpy(), features.double().cpu().numpy(), begins)
        kernel: Any = _scan  # numba's own types are too narrow
        kernel(self._inverse, self._ridge, *given, worth)
        return torch.from_numpy(worth).float().to(features.device)

    def state_dict(self) -> State:
        return {"inverse": torch.from_numpy(self._inverse.copy())}

    def load_state_dict(self, state: State) -> None:
        self._inverse = state["inverse"].cpu().numpy().copy()


# Sums may be taken in another order, so that they take a few vector instructions; infinities keep their meaning.
@partial(kept, fastmath={"reassoc", "contract"})
def _take_in(inverse: Array, features: Array, toward: Array) -> float:  # pragma: no cover
    """The worth of features [D], which then are part of C; `toward` [D] is overwritten."""
    size = features.size
    worth = 0.0
    for a in range(size):
        total = 0.0
        for b in range(size):
            total += inverse[a, b] * features[b]
        toward[a] = total
        worth += features[a] * total
    for a in range(size):
        share = toward[a] / (1.0 + worth)
        for b in range(size):
            inverse[a, b] -= share * toward[b]
    return worth


@kept
def _scan(
    inverses: Array, ridge: float, first_features: Array, features: Array, begins: Array, worth: Array
) -> None:  # pragma: no cover
    """Fills worth, [T, N]; begins: int64 [T, N], see `_GOES_ON`."""
    steps, num_envs, size = features.shape
    toward = np.empty(size)
    for env in range(num_envs):
        inverse = inverses[env]
        for t in range(steps):
            if begins[t, env] != _GOES_ON:
                inverse[:] = 0.0
                for a in range(size):
                    inverse[a, a] = 1.0 / ridge
                if begins[t, env] != _EMPTY:
                    _take_in(inverse, first_features[begins[t, env]], toward)
            worth[t, env] = _take_in(inverse, features[t, env], toward)
