"""Keeps what is found at some moments of lives that are played step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rewardlab.types import Array


class Watch:
    """Of L lives. One that ended earlier repeats its last.

    Args:
        moments: int64 [S], ascending, the steps after which it looks; 0: the beginning; beyond the last step: the end.
    """

    def __init__(self, moments: Array, count: int) -> None:
        self._moments, self._count = moments, count
        self._kept: Array | None = None

    def see(self, step: int, look: Callable[[Array], Array], live: Array, over: Array) -> None:
        """After a step, 1 being the first; 0: at the beginning.

        Args:
            look: what is found in some lives, int64 [B] -> [B, ...]; asked where it is kept, of nobody else.
            live, over: bool [L], who took the step, and whose life ended with it.
        """
        at, after = np.searchsorted(self._moments, (step, step + 1))
        ending = np.flatnonzero(live & over)
        if len(ending):
            self._keep(ending, slice(at, None), look(ending))
        if after > at and len(going := np.flatnonzero(live & ~over)):
            self._keep(going, slice(at, after), look(going))

    @property
    def kept(self) -> Array:
        """[L, S, ...], once all lives have ended."""
        assert self._kept is not None
        return self._kept

    def _keep(self, rows: Array, columns: slice, found: Array) -> None:
        if self._kept is None:
            self._kept = np.zeros((self._count, len(self._moments), *found.shape[1:]), dtype=found.dtype)
        self._kept[rows, columns] = found[:, None]
