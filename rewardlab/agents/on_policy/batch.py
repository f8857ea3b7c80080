"""What a gradient step of an on-policy agent learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from rewardlab.maths.distinct import pick
from rewardlab.types import TensorObs


@dataclass
class Batch:
    """Samples [T, N, ...], or [B, ...] once flattened.

    Without memory `obs` is of distinct observations, each entry [U, ...], and `place` says which of them each sample
    has. With memory each entry is [T, N, ...], `place` is None and `state0` is [N, ...].
    """

    obs: TensorObs
    place: torch.Tensor | None
    action: torch.Tensor
    log_prob: torch.Tensor
    advantage: torch.Tensor
    returns: torch.Tensor
    values: torch.Tensor
    first: torch.Tensor
    state0: torch.Tensor | None

    def flatten(self) -> Batch:
        """[T, N, ...] -> [T * N, ...]."""
        return self._map(lambda entry: entry.flatten(0, 1))

    def at(self, chosen: torch.Tensor) -> Batch:
        """Some samples, with the distinct ones among their observations."""
        batch = self._map(lambda entry: entry.index_select(0, chosen))
        assert batch.place is not None
        picked = pick(batch.place, len(next(iter(self.obs.values()))))
        obs = {name: entry.index_select(0, picked.rows) for name, entry in self.obs.items()}
        return replace(batch, obs=obs, place=picked.place)

    def of_envs(self, chosen: torch.Tensor) -> Batch:
        """The whole sequences of some environments, with the states they start from."""
        batch = self._map(lambda entry: entry.index_select(1, chosen))
        obs = {name: entry.index_select(1, chosen) for name, entry in self.obs.items()}
        return replace(batch, obs=obs, state0=None if self.state0 is None else self.state0[chosen])

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """The samples changed; the observations as they are."""
        return Batch(
            self.obs,
            None if self.place is None else change(self.place),
            change(self.action),
            change(self.log_prob),
            change(self.advantage),
            change(self.returns),
            change(self.values),
            change(self.first),
            self.state0,
        )
