"""The steps of the few episodes with the highest returns.

Source: Gangwani et al. 2020, Learning guidance rewards with trajectory-space smoothing (IRCR, arXiv:2010.12718), whose
code draws half of each minibatch from the best ten.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.parts.buffers.replay import columns_of, steps_of
from rewardlab.types import State, Transitions


class BestEpisodes:
    """At most `count` of them; of equals, the newer."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: list[tuple[float, Transitions]] = []
        self._steps: Transitions | None = None  # of all, one after another

    def __len__(self) -> int:
        """How many steps there are."""
        return 0 if self._steps is None else len(self._steps.action)

    def add(self, total: float, steps: Transitions) -> None:
        """Take an episode in, by its return."""
        if len(self._kept) == self._count:
            worst = min(range(self._count), key=lambda i: self._kept[i][0])
            if self._kept[worst][0] > total:
                return
            del self._kept[worst]
        self._kept.append((total, steps))
        every = [columns_of(kept) for _, kept in self._kept]
        self._steps = steps_of({name: torch.cat([columns[name] for columns in every]) for name in every[0]})

    def sample(self, size: int, rng: np.random.Generator) -> Transitions:
        """Steps [size], drawn with replacement, alike. There must be some."""
        assert self._steps is not None
        index = torch.from_numpy(rng.integers(len(self), size=size)).to(self._steps.action.device)
        return steps_of({name: column[index] for name, column in columns_of(self._steps).items()})

    def state_dict(self) -> State:
        return {
            "returns": [total for total, _ in self._kept],
            "steps": [{n: column.clone() for n, column in columns_of(steps).items()} for _, steps in self._kept],
        }

    def load_state_dict(self, state: State) -> None:
        self._kept, self._steps = [], None
        for total, columns in zip(state["returns"], state["steps"], strict=True):
            self.add(total, steps_of(columns))
