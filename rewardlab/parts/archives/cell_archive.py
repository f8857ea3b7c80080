"""Go-Explore's archive: for each cell of each level, a state that can be returned to, and the way that led there.

Source: Ecoffet et al. 2021, First return, then explore (Nature 590), Methods, "Exploration phase".
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.maths.cells import return_weights
from rewardlab.maths.counting import combine_keys
from rewardlab.parts.archives.place_store import PlaceStore
from rewardlab.types import Array, Obs, State

_ROOT = -1


class CellArchive:
    """Cells of K levels. A cell's way is a chain of pieces: what was done since the cell that was returned to.

    A cell that is reached again with a higher score, or with the same in fewer steps of its episode, gets the new state
    and way; as it then is a place to go on from afresh, its count begins anew.
    """

    def __init__(self, num_levels: int) -> None:
        self.open = np.ones(num_levels, dtype=bool)  # levels that are still explored
        self.places = PlaceStore()
        self._row_of: dict[int, int] = {}  # key of cell and level -> row
        self._level = np.empty(0, dtype=np.int64)
        self._seen = np.empty(0, dtype=np.int64)
        self._steps = np.empty(0, dtype=np.int64)
        self._score = np.empty(0)
        self._piece = np.empty(0, dtype=np.int64)  # the last piece of each cell's way
        self._parents: list[int] = []
        self._pieces: list[bytes] = []  # actions
        self._paid: dict[int, bytes] = {}  # piece -> what its steps were paid, float32, where that is not nothing

    def __len__(self) -> int:
        return len(self._row_of)

    def rows(self, keys: Array, level: Array) -> list[int | None]:
        """Of each cell, its row, or None where it is new."""
        return [self._row_of.get(key) for key in combine_keys(keys, level).tolist()]

    def add(self, keys: Array, level: Array, score: Array, steps: Array, pieces: Array, places: Obs) -> Array:
        """New cells, each once: int64 [B], their rows.

        Args:
            keys: int64 [B], of the cells. level: int64 [B].
            score: float64 [B], what the task paid in the episode so far. steps: int64 [B], of the episode so far.
            pieces: int64 [B], the last pieces of their ways.
        """
        rows = self.places.add(places)
        self._row_of |= dict(zip(combine_keys(keys, level).tolist(), rows.tolist(), strict=True))
        self._level, self._seen = _joined(self._level, level), _joined(self._seen, np.zeros_like(level))
        self._steps, self._piece = _joined(self._steps, steps), _joined(self._piece, pieces)
        self._score = _joined(self._score, score)
        return rows

    def improve(self, rows: Array, score: Array, steps: Array, pieces: Array, places: Obs) -> None:
        """Known cells, each once, that were reached by a better way."""
        self.places.put(rows, places)
        self._score[rows], self._steps[rows], self._piece[rows], self._seen[rows] = score, steps, pieces, 0

    def is_better(self, score: float, steps: int, row: int) -> bool:
        """Whether a way to a known cell is better than the one that is kept."""
        return (score, -steps) > (float(self._score[row]), -int(self._steps[row]))

    def count(self, rows: Array) -> None:
        """Cells that were met, int64 [B]; one that is there twice counts twice."""
        np.add.at(self._seen, rows, 1)

    def choose(self, count: int, rng: np.random.Generator) -> Array:
        """Cells to return to, int64 [count]: of open levels, or of all where none is open any more."""
        among = self.open if self.open.any() else np.ones_like(self.open)
        bounds = np.cumsum(return_weights(self._seen, self._level, among))
        rows: Array = np.searchsorted(bounds, rng.random(count) * bounds[-1], side="right")
        return np.minimum(rows, len(self) - 1)

    def level_of(self, rows: Array) -> Array:
        return self._level[rows]

    def steps_of(self, rows: Array) -> Array:
        return self._steps[rows]

    def score_of(self, rows: Array) -> Array:
        return self._score[rows]

    def piece_of(self, rows: Array) -> Array:
        return self._piece[rows]

    def new_piece(self, parent: int, actions: Array, paid: Array) -> int:
        """Note what was done since the piece `parent` (-1: since the level began), and what it was paid.

        Args:
            actions: uint8 [K]. paid: float32 [K].
        """
        self._parents.append(parent)
        self._pieces.append(actions.tobytes())
        if paid.any():
            self._paid[len(self._pieces) - 1] = paid.tobytes()
        return len(self._pieces) - 1

    def way(self, piece: int) -> Array:
        """All actions from the beginning of the level to the end of a piece, int64 [L]."""
        parts = [self._pieces[part] for part in self.chain(piece)]
        return np.frombuffer(b"".join(parts), dtype=np.uint8).astype(np.int64)

    def paid(self, piece: int) -> Array:
        """What the task paid for them, float32 [L]."""
        nothing = bytes(np.dtype(np.float32).itemsize)
        parts = [self._paid.get(part, nothing * len(self._pieces[part])) for part in self.chain(piece)]
        return np.frombuffer(b"".join(parts), dtype=np.float32)

    def chain(self, piece: int) -> list[int]:
        """The pieces of that way, in order."""
        parts: list[int] = []
        while piece != _ROOT:
            parts.append(piece)
            piece = self._parents[piece]
        return parts[::-1]

    def state_dict(self) -> State:
        arrays = {
            "level": self._level,
            "seen": self._seen,
            "score": self._score,
            "steps": self._steps,
            "piece": self._piece,
            "open": self.open,
        }
        joined = np.frombuffer(b"".join(self._pieces), dtype=np.uint8)
        return {
            "places": self.places.state_dict(),
            "keys": torch.tensor(list(self._row_of), dtype=torch.int64),
            "arrays": {name: torch.from_numpy(array.copy()) for name, array in arrays.items()},
            "parents": torch.tensor(self._parents, dtype=torch.int64),
            "lengths": torch.tensor([len(piece) for piece in self._pieces], dtype=torch.int64),
            "actions": torch.from_numpy(joined.copy()),
            "paid": {
                piece: torch.from_numpy(np.frombuffer(paid, dtype=np.float32).copy())
                for piece, paid in self._paid.items()
            },
        }

    def load_state_dict(self, state: State) -> None:
        self.places.load_state_dict(state["places"])
        self._row_of = {key: row for row, key in enumerate(state["keys"].tolist())}
        arrays = {name: entry.numpy().copy() for name, entry in state["arrays"].items()}
        self._level, self._seen, self._steps = arrays["level"], arrays["seen"], arrays["steps"]
        self._piece, self.open = arrays["piece"], arrays["open"]
        self._score = arrays.get("score", np.zeros(len(self._level)))  # once it was not kept
        self._paid = {piece: paid.numpy().tobytes() for piece, paid in state.get("paid", {}).items()}
        self._parents = state["parents"].tolist()
        ends, actions = np.cumsum(state["lengths"].numpy()), state["actions"].numpy().tobytes()
        self._pieces = [actions[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _joined(held: Array, new: Array) -> Array:
    return np.concatenate([held, new])
