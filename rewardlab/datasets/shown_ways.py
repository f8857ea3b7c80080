"""States along demonstrations, how far along each is, how it ended, and which are the ends of segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.errors import UserError
from rewardlab.maths.perceptual_steps import partition
from rewardlab.types import Array, TensorObs

_SAME = 1e-6  # deviations below it are rounding


class ShownWays:
    """The L + 1 states of each demonstration of L steps; read when they are first asked for."""

    def __init__(self, file: DemonstrationFile, device: torch.device) -> None:
        self._file, self._device = file, device
        self._shown: TensorObs = {}
        self._starts = self._lengths = np.empty(0, dtype=np.int64)  # of each: its first row, and L
        self._solved = np.empty(0, dtype=np.float64)
        self._ends: tuple[Array, Array] | None = None  # rows that end a segment, and all others

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

    def outcomes(self, count: int, rng: np.random.Generator) -> tuple[TensorObs, torch.Tensor]:
        """States, and whether what began there ended in success: float32 [count], 1 or 0."""
        ways = self._chosen(count, rng)
        at = rng.integers(self._lengths[ways] + 1)
        return self._rows(self._starts[ways] + at), self._tensor(self._solved[ways])

    def ends(
        self, count: int, segments: int, encode: Callable[[TensorObs], torch.Tensor], rng: np.random.Generator
    ) -> tuple[TensorObs, torch.Tensor]:
        """States, and which of them are the last of a segment, float32 [count]: about half.

        Each demonstration is cut into so many segments that what its states show varies least within them.

        Args:
            encode: what states are as flat numbers, [B, D].

        Raises:
            UserError: a demonstration has fewer steps.
        """
        if self._ends is None:
            self._ends = self._cut(segments, encode)
        is_end = rng.random(count) < 0.5
        rows = np.where(is_end, *(some[rng.integers(len(some), size=count)] for some in self._ends))
        return self._rows(rows), self._tensor(is_end)

    def _cut(self, segments: int, encode: Callable[[TensorObs], torch.Tensor]) -> tuple[Array, Array]:
        if not len(self._lengths):
            self._read()
        shown = encode(self._shown).cpu().numpy().astype(np.float64)
        shown = (shown - shown.mean(axis=0)) / np.maximum(shown.std(axis=0), _SAME)
        ends = []
        for start, length in zip(self._starts, self._lengths, strict=True):
            if length < segments:
                raise UserError(f"reward.segments={segments}: a demonstration has {length} steps; set fewer")
            ends += [start + bound for bound in partition(shown[start + 1 : start + 1 + length], segments)[1:]]
        rows = np.arange(len(shown))
        return np.array(ends), rows[~np.isin(rows, ends)]

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
        self._solved = np.array([episode.success for episode in found.episodes], dtype=np.float64)
        self._starts = np.cumsum(self._lengths + 1) - (self._lengths + 1)

    def _rows(self, index: Array) -> TensorObs:
        chosen = torch.from_numpy(index).to(self._device)
        return {name: entry[chosen] for name, entry in self._shown.items()}

    def _tensor(self, share: Array) -> torch.Tensor:
        return torch.from_numpy(share.astype(np.float32)).to(self._device)
