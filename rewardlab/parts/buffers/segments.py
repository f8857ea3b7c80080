"""The latest episodes, and pairs of segments drawn from them to be compared.

Both segments of a pair last equally long, and each lies within one episode: else the length of episodes would say what
the reward does not. An episode shorter than a segment is compared whole, with as many steps of another.

Where `absorbing`, a segment may last beyond a termination. Nothing is paid there, which is what the task says of that
time: Kostrikov et al. 2019, Discriminator-actor-critic (arXiv:1809.02925), section 4.2, call it the absorbing state. A
time limit is no termination, and what would have followed is not known: no segment goes beyond it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import torch

from rewardlab.types import Array, State, TensorObs

LENGTH = "length"
"""How long both segments of a pair last, in steps."""
PLAYED = "played"
"""How many of them were played, of each segment: fewer where it goes beyond a termination."""


class Segments:
    """At most `size` episodes; the oldest go first.

    Args:
        segment: steps of a segment, at most.
        absorbing: whether a segment may last beyond a termination.
    """

    def __init__(self, size: int, segment: int, absorbing: bool = False) -> None:
        self.segment, self._absorbing = segment, absorbing
        self._episodes: deque[TensorObs] = deque(maxlen=size)
        self._success: deque[bool] = deque(maxlen=size)
        self._terminated: deque[bool] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._episodes)

    def add(self, episode: TensorObs, success: bool, terminated: bool = False) -> None:
        """Take an episode in, each column [L, ...]."""
        self._episodes.append(episode)
        self._success.append(success)
        self._terminated.append(terminated)

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

    def ends_and_pieces(self, count: int, longest: int, rng: np.random.Generator) -> TensorObs | None:
        """Pairs of how an episode that succeeded ended, and of a piece that is the end of no success, in this order.

        Both have as many steps, 1 to `longest`. None without a success, or without another step.
        """
        lengths = np.array([len(next(iter(episode.values()))) for episode in self._episodes])
        room = lengths - np.array(self._success, dtype=int)  # a piece of a success lacks its last step at least
        winners, others = np.flatnonzero(self._success), np.flatnonzero(room > 0)
        if not len(winners) or not len(others):
            return None
        which = np.stack([rng.choice(winners, size=count), rng.choice(others, size=count)], axis=1)
        most = np.minimum(lengths[which[:, 0]], room[which[:, 1]]).clip(max=min(longest, self.segment))
        length = rng.integers(1, most + 1)
        start = np.stack([lengths[which[:, 0]] - length, rng.integers(room[which[:, 1]] - length + 1)], axis=1)
        return self._taken(which, start, length)

    def _success_of(self, which: Array) -> torch.Tensor:
        """bool, of the shape of the places."""
        return torch.from_numpy(np.array(self._success, dtype=bool)[which])

    def _cut(self, which: Array, rng: np.random.Generator) -> TensorObs:
        """Segments of episodes [B, 2] at random places: columns [B, 2, W, ...], 0 from their end on, and beside them
        `length`, int64 [B], `played`, int64 [B, 2], and `success`, bool [B, 2].

        Where segments may last beyond a termination, they begin at any step of such an episode alike.
        """
        lengths = np.array([len(next(iter(episode.values()))) for episode in self._episodes])
        of, beyond_end = lengths[which], np.array(self._terminated, dtype=bool)[which] & self._absorbing
        length = np.where(beyond_end, self.segment, of).min(axis=1).clip(max=self.segment)
        start = rng.integers(np.where(beyond_end, of, of - length[:, None] + 1))
        return self._taken(which, start, length)

    def _taken(self, which: Array, start: Array, length: Array) -> TensorObs:
        """The segments of episodes [B, 2] that begin at `start` [B, 2] and last `length` [B]: see `_cut`."""
        lengths = np.array([len(next(iter(episode.values()))) for episode in self._episodes])
        steps = np.minimum(length[:, None], lengths[which] - start)
        first_row = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        ahead = np.minimum(np.arange(self.segment), steps[..., None] - 1)  # what lies beyond the end is blotted out
        rows = torch.from_numpy((first_row[which] + start)[..., None] + ahead)
        taken, played = torch.from_numpy(length), torch.from_numpy(steps)
        beyond = torch.arange(self.segment) >= played.unsqueeze(-1)
        found = {}
        for name, column in _joined(self._episodes).items():
            blank = beyond.to(column.device).view(*beyond.shape, *[1] * (column.dim() - 1))
            found[name] = column[rows.to(column.device)].masked_fill(blank, 0)
        device = next(iter(found.values())).device
        told = {LENGTH: taken, PLAYED: played, "success": self._success_of(which)}
        return found | {name: column.to(device) for name, column in told.items()}

    def state_dict(self) -> State:
        episodes = [{name: column.clone() for name, column in episode.items()} for episode in self._episodes]
        return {"episodes": episodes, "success": list(self._success), "terminated": list(self._terminated)}

    def load_state_dict(self, state: State) -> None:
        self._episodes.clear()
        self._success.clear()
        self._terminated.clear()
        for episode, *ended in zip(state["episodes"], state["success"], state["terminated"], strict=True):
            self.add({name: column.clone() for name, column in episode.items()}, *ended)


def _joined(episodes: Sequence[TensorObs]) -> TensorObs:
    return {name: torch.cat([episode[name] for episode in episodes]) for name in episodes[0]}
