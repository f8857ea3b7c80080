"""States of environments kept by the thousand: equal grids, of which there are few, are stored once, and rows of many
bytes, as pictures and emulators have them, are packed.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch

from rewardlab.maths.counting import hash_rows
from rewardlab.types import Array, Obs, State

_GRID = "cells"  # the one large entry of a place, which seldom changes from step to step
_PACKED = 1024  # bytes: rows of so many and more are
_FASTEST = 1  # of zlib's levels


class PlaceStore:
    """Rows of places, as `VecEnv.take_places` gives them; the first ones say what a row is made of."""

    def __init__(self) -> None:
        self._rows: Obs = {}
        self._packed: dict[str, dict[int, bytes]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}  # of rows that are packed
        self._grids: Array = np.empty(0)
        self._grid_of: dict[int, int] = {}  # hash -> row of grids
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def grids(self) -> int:
        """How many different grids there are."""
        return len(self._grid_of)

    def add(self, places: Obs) -> Array:
        """Keep B places; int64 [B], the rows that they got."""
        added = len(next(iter(places.values())))
        rows = np.arange(self._count, self._count + added)
        self._count += added
        self.put(rows, places)
        return rows

    def put(self, rows: Array, places: Obs) -> None:
        """Replace the places of some rows."""
        entries = {name: entry for name, entry in places.items() if name != _GRID}
        if _GRID in places:
            entries["grid"] = self._grid_rows(places[_GRID])
        for name, entry in entries.items():
            if entry.dtype == np.uint8 and entry[0].size >= _PACKED:
                packed, self._shapes[name] = self._packed.setdefault(name, {}), entry.shape[1:]
                packed |= {row: zlib.compress(each, _FASTEST) for row, each in zip(rows.tolist(), entry, strict=True)}
                continue
            self._rows[name] = grown(self._rows.get(name), self._count, entry)
            self._rows[name][rows] = entry

    def get(self, rows: Array) -> Obs:
        """The places of some rows, each entry [B, ...]."""
        places = {name: entry[rows] for name, entry in self._rows.items() if name != "grid"}
        for name, packed in self._packed.items():
            joined = b"".join(zlib.decompress(packed[row]) for row in rows.tolist())
            places[name] = np.frombuffer(joined, dtype=np.uint8).reshape(len(rows), *self._shapes[name])
        if "grid" in self._rows:
            places[_GRID] = self._grids[self._rows["grid"][rows]]
        return places

    def state_dict(self) -> State:
        entries = {name: entry[: self._count] for name, entry in self._rows.items()}
        kept = {"rows": entries, "grids": {"grids": self._grids[: self.grids]}}
        tensors = {part: {name: _tensor(array) for name, array in held.items()} for part, held in kept.items()}
        return {**tensors, "hashes": list(self._grid_of), "count": self._count} | (
            {"packed": self._packed_state()} if self._packed else {}
        )

    def load_state_dict(self, state: State) -> None:
        self._rows = {name: _array(name, entry) for name, entry in state["rows"].items()}
        self._grids, self._count = state["grids"]["grids"].numpy().copy(), state["count"]
        self._grid_of = {hashed: row for row, hashed in enumerate(state["hashes"])}
        for name, kept in state.get("packed", {}).items():
            joined, ends = kept["joined"].numpy().tobytes(), np.cumsum(kept["lengths"].numpy()).tolist()
            parts = (joined[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True))
            self._packed[name], self._shapes[name] = dict(enumerate(parts)), tuple(kept["shape"])

    def _packed_state(self) -> State:
        found: State = {}
        for name, packed in self._packed.items():
            parts = [packed[row] for row in range(self._count)]
            joined = np.frombuffer(b"".join(parts), dtype=np.uint8).copy()
            lengths = torch.tensor([len(part) for part in parts], dtype=torch.int64)
            found[name] = {
                "joined": torch.from_numpy(joined), "lengths": lengths, "shape": list(self._shapes[name])
            }  # fmt: skip
        return found

    def _grid_rows(self, cells: Array) -> Array:
        """int64 [B]: where the grids are kept, new ones included."""
        found = np.empty(len(cells), dtype=np.int64)
        for i, hashed in enumerate(hash_rows(cells.reshape(len(cells), -1)).tolist()):
            row = self._grid_of.get(hashed)
            if row is None:
                row = self._grid_of[hashed] = len(self._grid_of)
                self._grids = grown(self._grids, row + 1, cells)
                self._grids[row] = cells[i]
            found[i] = row
        return found


def grown(held: Array | None, count: int, like: Array) -> Array:
    """At least `count` rows, by doubling."""
    if held is None or not held.size:
        return np.zeros((max(count, 64), *like.shape[1:]), dtype=like.dtype)
    if len(held) >= count:
        return held
    return np.concatenate([held, np.zeros((max(count, 2 * len(held)) - len(held), *held.shape[1:]), dtype=held.dtype)])


def _tensor(array: Array) -> torch.Tensor:
    """Of its own memory; words without a sign as the same bits with one."""
    return torch.from_numpy(array.view(np.int64).copy() if array.dtype == np.uint64 else array.copy())


def _array(name: str, tensor: torch.Tensor) -> Array:
    array: Array = tensor.numpy().copy()
    return array.view(np.uint64) if name == "streams" else array
