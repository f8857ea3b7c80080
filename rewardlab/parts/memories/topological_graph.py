"""A graph of places: a node for each feature unlike those of all nodes, an edge where one was left for another.

Source: Hossain et al. 2024, TopoNav (arXiv:2402.04061v3): the map that grows online. Details are ours.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.types import Array, State

UNKNOWN = -1  # a place that is no node


class TopologicalGraph:
    """At most M nodes, each a feature [D]; edges may be walked both ways.

    Args:
        size: D. most: M; when it is full, every place is the node nearest to it.
        threshold: a place is a node's if their features, of Euclidean distance, are no farther apart.

    Attributes:
        features: float32 [nodes, D]. visits: int64 [M], how often each node was come to.
        traversed: int64 [M, M], how often one was left for another; steps: int64 [M, M], the steps of all these.
    """

    def __init__(self, size: int, most: int, threshold: float) -> None:
        self._most, self._threshold = most, threshold
        self.features = np.zeros((0, size), dtype=np.float32)
        self.visits = np.zeros(most, dtype=np.int64)
        self.traversed = np.zeros((most, most), dtype=np.int64)
        self.steps = np.zeros((most, most), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def full(self) -> bool:
        return len(self) == self._most

    def place(self, features: Array) -> Array:
        """The nodes of places, features [B, D]: int64 [B], UNKNOWN where there is none yet."""
        if not len(self):
            return np.full(len(features), UNKNOWN)
        apart = np.linalg.norm(features[:, None] - self.features, axis=-1)
        nearest = apart.argmin(axis=1)
        within = apart[np.arange(len(features)), nearest] <= self._threshold
        found: Array = np.where(within | self.full, nearest, UNKNOWN)
        return found

    def apart(self, first: Array, second: Array) -> Array:
        """bool [B]: whether two features [B, D] are of different places, be they nodes yet or not."""
        one, other = self.place(first), self.place(second)
        new = (one == UNKNOWN) & (other == UNKNOWN)
        unlike = np.linalg.norm(first - second, axis=1) > self._threshold
        found: Array = (one != other) | (new & unlike)
        return found

    def take_in(self, feature: Array) -> int:
        """The node of a place [D]: a new one where it is novel."""
        (found,) = self.place(feature[None]).tolist()
        if found == UNKNOWN:
            self.features = np.concatenate([self.features, feature[None].astype(np.float32)])
            found = len(self) - 1
        return int(found)

    def traverse(self, start: int, end: int, steps: int) -> None:
        """One node was left for another, and this took so many steps."""
        self.traversed[start, end] += 1
        self.steps[start, end] += steps

    def edges(self) -> Array:
        """bool [nodes, nodes], symmetric: which nodes were walked between."""
        count = len(self)
        known = self.traversed[:count, :count] > 0
        found: Array = known | known.T
        return found

    def state_dict(self) -> State:
        return {name: torch.from_numpy(getattr(self, name).copy()) for name in _KEPT}

    def load_state_dict(self, state: State) -> None:
        for name in _KEPT:
            setattr(self, name, state[name].cpu().numpy().copy())


_KEPT = ("features", "visits", "traversed", "steps")
