"""The latest whole episodes, to draw from: some steps of each, or all."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.parts.buffers.replay import Replay
from rewardlab.types import Array, Episode, State, Transitions

_SAME = 1e-8  # deviations below it are rounding


@dataclass(frozen=True)
class Drawn:
    """Steps of M episodes, one episode after another.

    steps: [B]. counts: int64 [M], how many of them are each episode's. lengths: int64 [M], how many it has.
    returns: float32 [M].
    """

    steps: Transitions
    counts: torch.Tensor
    lengths: torch.Tensor
    returns: torch.Tensor


class WholeEpisodes:
    """At most `capacity` steps; the oldest episodes are dropped whole, and one that is longer is not kept at all."""

    def __init__(self, capacity: int, device: torch.device | None = None) -> None:
        self._steps = Replay(capacity, device)
        self._device = device or torch.device("cpu")
        self._added = 0  # steps, ever
        self._kept: deque[tuple[int, int, float]] = deque()  # the number of the first step, length, return
        self._columns: tuple[Array, Array, Array] | None = None  # the same in arrays
        self.seen = 0  # episodes, ever

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def lengths(self) -> Array:
        """int64 [E]."""
        return self._table()[1]

    @property
    def returns(self) -> Array:
        """float64 [E]."""
        return self._table()[2]

    def share_scale(self) -> tuple[float, float]:
        """The mean and the standard deviation of returns by lengths, 1 where all are the same. There must be one."""
        shares = self.returns / self.lengths
        deviation = float(shares.std())
        return float(shares.mean()), deviation if deviation > _SAME else 1.0

    def add(self, episodes: Sequence[Episode]) -> None:
        """Take episodes in; they have their `next_obs`, or nobody asks for them."""
        self.seen += len(episodes)
        fitting = [episode for episode in episodes if len(episode) <= self._steps.capacity]
        together = sum(map(len, fitting)) <= self._steps.capacity
        for some in [fitting] if together else [[episode] for episode in fitting]:
            self._add(some)

    def _add(self, episodes: Sequence[Episode]) -> None:
        """Those of which all steps have room."""
        if not episodes:
            return
        obs, next_obs = (
            {name: torch.cat([getattr(episode, entry)[name] for episode in episodes]) for name in like}
            for entry, like in (("obs", episodes[0].obs), ("next_obs", episodes[0].next_obs))
        )
        self._steps.add(Transitions(obs, torch.cat([episode.action for episode in episodes]), {}, next_obs))
        for episode in episodes:
            self._kept.append((self._added, len(episode), float(episode.task_reward.double().sum())))
            self._added += len(episode)
        while self._kept[0][0] < self._added - self._steps.capacity:
            self._kept.popleft()
        self._columns = None

    def some_steps(self, episodes: int, steps: int, rng: np.random.Generator) -> Drawn:
        """Of so many episodes so many steps, without replacement where there are enough. There must be an episode.

        As in RRD's code, an episode's chance is proportional to its length.
        """
        lengths = self.lengths
        chosen = rng.choice(len(lengths), episodes, p=lengths / lengths.sum())
        at = [rng.choice(lengths[i], steps, replace=bool(steps > lengths[i])) for i in chosen]
        return self._drawn(chosen, at)

    def all_steps(self, steps: int, rng: np.random.Generator) -> Drawn:
        """All steps of episodes, drawn alike: about so many steps, and one episode at least. There must be one."""
        lengths = self.lengths
        chosen = rng.integers(len(lengths), size=max(1, round(steps / lengths.mean())))
        return self.whole(chosen)

    def single_steps(self, steps: int, rng: np.random.Generator) -> Drawn:
        """So many steps, drawn alike, each for itself. There must be one."""
        ends = np.cumsum(self.lengths)
        row = rng.integers(ends[-1], size=steps)
        chosen = np.searchsorted(ends, row, side="right")
        return self._drawn(chosen, list((row - ends[chosen] + self.lengths[chosen])[:, None]))

    def whole(self, chosen: Array) -> Drawn:
        """All steps of the episodes at these places, oldest first, int64 [M]."""
        lengths = self.lengths
        return self._drawn(chosen, [np.arange(lengths[i]) for i in chosen])

    def state_dict(self) -> State:
        return {
            "steps": self._steps.state_dict(),
            "added": self._added,
            "kept": [list(entry) for entry in self._kept],
            "seen": self.seen,
        }

    def load_state_dict(self, state: State) -> None:
        self._steps.load_state_dict(state["steps"])
        self._added, self.seen = state["added"], state["seen"]
        self._kept = deque((entry[0], entry[1], entry[2]) for entry in state["kept"])
        self._columns = None

    def _table(self) -> tuple[Array, Array, Array]:
        if self._columns is None:
            begin, lengths, returns = zip(*self._kept, strict=True) if self._kept else ((), (), ())
            self._columns = np.array(begin, dtype=np.int64), np.array(lengths, dtype=np.int64), np.array(returns, float)
        return self._columns

    def _drawn(self, chosen: Array, at: list[Array]) -> Drawn:
        begin, lengths, returns = (column[chosen] for column in self._table())
        places = np.concatenate([first + steps for first, steps in zip(begin, at, strict=True)])
        return Drawn(
            self._steps.at(places % self._steps.capacity),
            torch.tensor([len(steps) for steps in at], device=self._device),
            torch.from_numpy(lengths).to(self._device),
            torch.from_numpy(returns).float().to(self._device),
        )
