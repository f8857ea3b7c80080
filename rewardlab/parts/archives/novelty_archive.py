"""An unordered archive of lives, which grows: what later ones must differ from."""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.types import Obs, State


class NoveltyArchive:
    """What was kept of lives, not what was made of it: a descriptor that learns can describe them anew.

    Attributes:
        outcomes: each entry [M, E, ...]; empty before the first.
    """

    def __init__(self) -> None:
        self.outcomes: Obs = {}

    def __len__(self) -> int:
        return len(next(iter(self.outcomes.values()))) if self.outcomes else 0

    def add(self, outcomes: Obs) -> None:
        """Of further lives, [B, E, ...]."""
        if not self.outcomes:
            self.outcomes = {name: entry.copy() for name, entry in outcomes.items()}
            return
        self.outcomes = {name: np.concatenate([held, outcomes[name]]) for name, held in self.outcomes.items()}

    def state_dict(self) -> State:
        return {name: torch.from_numpy(entry.copy()) for name, entry in self.outcomes.items()}

    def load_state_dict(self, state: State) -> None:
        self.outcomes = {name: entry.numpy().copy() for name, entry in state.items()}
