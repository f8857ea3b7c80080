"""How unlike what the episode has seen a feature vector is: ellipses around the features, one per environment."""

import torch

from rewardlab.types import State


class EllipticalMemory:
    """The inverse of C = ridge * I + sum of f f^T over the episode's features f, for each environment.

    A feature vector is worth f^T C^-1 f with the C from before it, and is then taken into C by a rank-one update
    (Sherman and Morrison 1950): C^-1 - u u^T / (1 + f^T u) with u = C^-1 f. Source: Henaff et al. 2022,
    Exploration via elliptical episodic bonuses. In float64: an episode is up to thousands of
    updates long, and on small matrices that costs nothing.
    """

    def __init__(self, num_envs: int, size: int, ridge: float, device: torch.device | str = "cpu") -> None:
        self._empty = torch.eye(size, dtype=torch.float64, device=device) / ridge
        self._inverse = self._empty.expand(num_envs, size, size).clone()

    def forget(self) -> None:
        """Begin a new episode in every environment."""
        self._inverse = self._empty.expand_as(self._inverse).clone()

    def visits(self, features: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """The worth of each frame on its arrival, float32 [T, N]; 0 for the first of an episode.

        Args:
            features: [T, N, D] of the observations acted on.
            first: bool [T, N], where an episode begins: with an empty memory.
        """
        features = features.double()
        begins = first.any(dim=1).tolist()
        worth = []
        for step in range(len(features)):
            if begins[step]:
                self._inverse[first[step]] = self._empty
            worth.append(self._take_in(features[step]))
        return torch.stack(worth).masked_fill(first, 0.0).float()

    def arrivals(self, first_features: torch.Tensor, features: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """The worth of each successor on its arrival, float32 [T, N]; an episode's first frame is in memory before.

        Args:
            first_features: [F, D], of the first frames of the episodes that begin in the rollout, in the order of
                `first.nonzero()`.
            features: [T, N, D] of the true successors.
            first: bool [T, N].
        """
        features, first_features = features.double(), first_features.double()
        begins = first.sum(dim=1).tolist()
        worth, taken = [], 0
        for step in range(len(features)):
            if begins[step]:
                self._begin(first[step], first_features[taken : taken + begins[step]])
                taken += begins[step]
            worth.append(self._take_in(features[step]))
        return torch.stack(worth).float()

    def _begin(self, which: torch.Tensor, features: torch.Tensor) -> None:
        """Start episodes in the environments `which`, bool [N], with their first frames' features [F, D]."""
        toward = features @ self._empty
        worth = (features * toward).sum(dim=-1)
        outer = toward.unsqueeze(2) * (toward / (1.0 + worth).unsqueeze(1)).unsqueeze(1)
        self._inverse[which] = self._empty - outer

    def _take_in(self, features: torch.Tensor) -> torch.Tensor:
        """The worth of one step's features [N, D]: [N]; afterwards they are part of C."""
        column = features.unsqueeze(2)
        toward = torch.bmm(self._inverse, column)
        worth = torch.bmm(column.transpose(1, 2), toward)
        self._inverse.baddbmm_(toward, (toward / (1.0 + worth)).transpose(1, 2), alpha=-1.0)
        return worth.flatten()

    def state_dict(self) -> State:
        return {"inverse": self._inverse.clone()}

    def load_state_dict(self, state: State) -> None:
        self._inverse = state["inverse"].to(self._empty.device, copy=True)
