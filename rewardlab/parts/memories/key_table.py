"""Numbers that are kept for 64-bit keys, and changed by addition."""

import numpy as np
import torch

from rewardlab.maths.counting import Keys
from rewardlab.types import Array, State


class KeyTable:
    """W float64 numbers for each key, 0 for those that were never added to; in a table sorted by key.

    Args:
        width: W.
    """

    def __init__(self, width: int) -> None:
        self._keys = np.empty(0, dtype=np.int64)
        self._values = np.empty((0, width))

    def __len__(self) -> int:
        return self._keys.size

    @property
    def values(self) -> Array:
        """All that is kept, [K, W]."""
        return self._values

    def look_up(self, keys: Keys) -> Array:
        """Copies of the numbers of some keys: [...] -> float64 [..., W]."""
        found = np.zeros((*keys.shape, self._values.shape[1]))
        if self._keys.size:
            place = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
            known = self._keys[place] == keys
            found[known] = self._values[place[known]]
        return found

    def add(self, keys: Keys, amounts: Array) -> None:
        """Add amounts, [B, W], to the numbers of keys [B], each of which may be there several times."""
        new = np.setdiff1d(keys, self._keys)
        if new.size:
            place = np.searchsorted(self._keys, new)
            self._keys = np.insert(self._keys, place, new)
            self._values = np.insert(self._values, place, 0.0, axis=0)
        np.add.at(self._values, np.searchsorted(self._keys, keys), amounts)

    def clip(self, bound: float) -> None:
        """Bring every number to within -bound and bound."""
        np.clip(self._values, -bound, bound, out=self._values)

    def state_dict(self) -> State:
        return {"keys": torch.from_numpy(self._keys.copy()), "values": torch.from_numpy(self._values.copy())}

    def load_state_dict(self, state: State) -> None:
        self._keys = state["keys"].cpu().numpy().copy()
        self._values = state["values"].cpu().numpy().copy()
