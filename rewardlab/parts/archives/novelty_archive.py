"""An unordered archive of individuals, which grows: what later ones must differ from."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rewardlab.types import Array, Lives, Obs, State


class NoveltyArchive:
    """What was kept of lives, not what was made of it: a descriptor that learns can describe them anew.

    Attributes:
        outcomes: each entry [M, ...], those of `lived`; empty before the first.
    """

    def __init__(self) -> None:
        self.outcomes: Obs = {}

    def __len__(self) -> int:
        return len(next(iter(self.outcomes.values()))) if self.outcomes else 0

    def add(self, outcomes: Obs) -> None:
        """Of further lives, [B, ...]."""
        self.outcomes = joined(self.outcomes, outcomes)

    def state_dict(self) -> State:
        return saved(self.outcomes)

    def load_state_dict(self, state: State) -> None:
        self.outcomes = restored(state)


def lived(descriptor: Any, genomes: Array, lives: Lives) -> Obs:
    """Individuals with what became of them: genomes [P, G], returns [P], and what a descriptor keeps, [P, E, ...]."""
    return {"genomes": genomes, "returns": lives.fitness, **descriptor.kept(lives)}


def joined(first: Obs, second: Obs) -> Obs:
    """Some individuals and then others, copied; of the first there may be none."""
    return {name: np.concatenate([first[name], entry]) if first else entry.copy() for name, entry in second.items()}


def some(individuals: Obs, rows: Array) -> Obs:
    """Those in these rows, copied."""
    return {name: entry[rows] for name, entry in individuals.items()}


def saved(individuals: Obs) -> State:
    """For a checkpoint."""
    return {name: torch.from_numpy(entry.copy()) for name, entry in individuals.items()}


def restored(state: State) -> Obs:
    return {name: entry.numpy().copy() for name, entry in state.items()}
