"""The latest episodes, and pairs of segments drawn from them to be compared.

Both segments of a pair have the same number of steps, and each lies within one episode: else the length of episodes
would say what the reward does not. An episode shorter than a segment is compared whole, with as many steps of another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch

from rewardlab.types import Array, State, TensorObs

LENGTH = "length"


class Segments:
    """At most `size` episodes; the oldest go first.

    Args:
        segment: steps of a segment, at most.
    """

    def __init__(self, size: int, segment: int) -> None:
        self.segment = segment
        self._episodes: deque[TensorObs] = deque(maxlen=size)
        self._success: deque[bool] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._episodes)

    def add(self, episode: TensorObs, success: bool) -> None:
        """Take an episode in, each column [L, ...]."""
        self._episodes.append(episode)
        self._success.append(success)

    @property
    def outcomes(self) -> tuple[list[int], list[int]]:
        """The places of those that succeeded, and of those that failed."""
        places = range(len(self))
        return [i for i in places if self._success[i]], [i for i in places if not self._success[i]]

    def mean(self, name: str) -> float:
        """Of a column of numbers, over all steps."""
        return float(torch.cat([episode[name] for episode in self._episodes]).double().mean())

    def pairs(self, count: int, rng: np.random.Generator) -> TensorObs:
        """Pairs of segments of two different episodes, drawn uniformly with replacement: see `_cut`.

        There must be two episodes.
        """
        first = rng.integers(len(self), size=count)
        other = (first + 1 + rng.integers(len(self) - 1, size=count)) % len(self)
        return self._cut(np.stack([first, other], axis=1), rng)

    def unlike_pairs(self, count: int, rng: np.random.Generator) -> TensorObs:
        """The same of an episode that succeeded and one that failed, in any order. There must be one of each."""
        which = np.stack([rng.choice(places, size=count) for places in self.outcomes], axis=1)
        swapped = rng.random(count) < 0.5
        return self._cut(np.where(swapped[:, None], which[:, ::-1], which), rng)

    def _success_of(self, which: Array) -> torch.Tensor:
        """bool, of the shape of the places."""
        return torch.from_numpy(np.array(self._success, dtype=bool)[which])

    def _cut(self, which: Array, rng: np.random.Generator) -> TensorObs:
        """Segments of episodes [B, 2] at random places: columns [B, 2, W, ...], 0 from their end on, and beside them
        `length`, int64 [B], and `success`, bool [B, 2].
        """
        lengths = np.array([len(next(iter(episode.values()))) for episode in self._episodes])
        length = np.minimum(lengths[which].min(axis=1), self.segment)
        start = rng.integers(lengths[which] - length[:, None] + 1)
        first_row = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        ahead = np.minimum(np.arange(self.segment), length[:, None] - 1)  # what lies beyond the end is blotted out
        rows = torch.from_numpy((first_row[which] + start)[..., None] + ahead[:, None, :])
        taken = torch.from_numpy(length)
        beyond = torch.arange(self.segment) >= taken[:, None, None]
        found = {}
        for name, column in _joined(self._episodes).items():
            blank = beyond.to(column.device).view(len(which), 1, self.segment, *[1] * (column.dim() - 1))
            found[name] = column[rows.to(column.device)].masked_fill(blank, 0)
        device = next(iter(found.values())).device
        return found | {LENGTH: taken.to(device), "success": self._success_of(which).to(device)}

    def state_dict(self) -> State:
        episodes = [{name: column.clone() for name, column in episode.items()} for episode in self._episodes]
        return {"episodes": episodes, "success": list(self._success)}

    def load_state_dict(self, state: State) -> None:
        self._episodes.clear()
        self._success.clear()
        for episode, success in zip(state["episodes"], state["success"], strict=True):
            self.add({name: column.clone() for name, column in episode.items()}, success)


def _joined(episodes: Sequence[TensorObs]) -> TensorObs:
    return {name: torch.cat([episode[name] for episode in episodes]) for name in episodes[0]}
