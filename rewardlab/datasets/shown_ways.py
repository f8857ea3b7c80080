"""States along demonstrations, and how far along each is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.types import Array, TensorObs


class ShownWays:
    """The L + 1 states of each demonstration of L steps; read when they are first asked for."""

    def __init__(self, file: DemonstrationFile, device: torch.device) -> None:
        self._file, self._device = file, device
        self._shown: TensorObs = {}
        self._starts = self._lengths = np.empty(0, dtype=np.int64)  # of each: its first row, and L

    def done(self, count: int, rng: np.random.Generator) -> tuple[TensorObs, torch.Tensor]:
        """States, each entry [count, *shape], and the share of the way that is done there, float32 [count]."""
        ways = self._chosen(count, rng)
        at = rng.integers(self._lengths[ways] + 1)
        return self._rows(self._starts[ways] + at), self._tensor(at / self._lengths[ways])

    def pairs(self, count: int, rng: np.random.Generator) -> tuple[TensorObs, TensorObs, torch.Tensor]:
        """Two states of one demonstration each, and what share of its way leads from the first to the second: in
        [-1, 1], negative where it is a way back.
        """
        ways = self._chosen(count, rng)
        one, other = rng.integers(self._lengths[ways] + 1), rng.integers(self._lengths[ways] + 1)
        start = self._starts[ways]
        share = self._tensor((other - one) / self._lengths[ways])
        return self._rows(start + one), self._rows(start + other), share

    def _chosen(self, count: int, rng: np.random.Generator) -> Array:
        """Demonstrations, each drawn as often as it has steps, int64 [count]."""
        if not len(self._lengths):
            self._read()
        return rng.choice(len(self._lengths), count, p=self._lengths / self._lengths.sum())

    def _read(self) -> None:
        found = self._file.read()
        shown: Sequence[TensorObs] = found.shown
        self._shown = {name: torch.cat([states[name] for states in shown]).to(self._device) for name in shown[0]}
        self._lengths = np.array([len(episode) for episode in found.episodes], dtype=np.int64)
        self._starts = np.cumsum(self._lengths + 1) - (self._lengths + 1)

    def _rows(self, index: Array) -> TensorObs:
        chosen = torch.from_numpy(index).to(self._device)
        return {name: entry[chosen] for name, entry in self._shown.items()}

    def _tensor(self, share: Array) -> torch.Tensor:
        return torch.from_numpy(share.astype(np.float32)).to(self._device)
