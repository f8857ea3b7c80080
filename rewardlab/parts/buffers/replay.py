"""A replay buffer: the latest steps, drawn uniformly.

Source: Lin 1992, Self-improving reactive agents based on reinforcement learning, planning and teaching; Mnih et al.
2015, Human-level control through deep reinforcement learning.
"""

from __future__ import annotations

import numpy as np
import torch

from rewardlab.maths.n_step import n_step_returns
from rewardlab.types import Array, State, TensorObs, Transitions

_OBS, NEXT_OBS = "obs.", "next_obs."
EPISODE_RETURN, EPISODE_LENGTH = "episode_return", "episode_length"  # in `Transitions.extra`, of a step's whole episode


class Replay:
    """Steps in a ring of `capacity`, the oldest overwritten first.

    Args:
        device: where the steps are kept.
    """

    def __init__(self, capacity: int, device: torch.device | None = None) -> None:
        self.capacity = capacity
        self._device = device or torch.device("cpu")
        self._steps: TensorObs | None = None  # every column [capacity, ...], written before it is read
        self._count = 0
        self._next = 0

    def __len__(self) -> int:
        return self._count

    def add(self, steps: Transitions) -> Array:
        """Take steps [B] in; of more than the capacity, the last. Returns the places of those, int64."""
        columns = columns_of(steps)
        total = len(steps.action)
        kept = min(total, self.capacity)
        before_wrap = min(kept, self.capacity - self._next)
        ring = self._ring(columns)
        for name, column in columns.items():
            fresh = column[total - kept :]
            ring[name][self._next : self._next + before_wrap] = fresh[:before_wrap]
            ring[name][: kept - before_wrap] = fresh[before_wrap:]
        places = (self._next + np.arange(kept)) % self.capacity
        self._next = (self._next + kept) % self.capacity
        self._count = min(self._count + kept, self.capacity)
        return places

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Transitions, Array]:
        """Steps [size], drawn with replacement, and their places, int64 [size]. There must be steps."""
        places = rng.integers(self._count, size=size)
        return self.at(places), places

    def at(self, places: Array) -> Transitions:
        """The steps at those places, [B]."""
        assert self._steps is not None
        index = torch.from_numpy(places).to(self._device)
        return steps_of({name: column.index_select(0, index) for name, column in self._steps.items()})

    def state_dict(self) -> State:
        kept = {} if self._steps is None else {n: column[: self._count].clone() for n, column in self._steps.items()}
        return {"steps": kept, "count": self._count, "next": self._next}

    def load_state_dict(self, state: State) -> None:
        self._count, self._next = state["count"], state["next"]
        self._steps = None
        if self._count:
            for name, column in self._ring(state["steps"]).items():
                column[: self._count] = state["steps"][name]

    def _ring(self, like: TensorObs) -> TensorObs:
        if self._steps is None:
            self._steps = {
                name: torch.zeros(self.capacity, *column.shape[1:], dtype=column.dtype, device=self._device)
                for name, column in like.items()
            }
        return self._steps


def with_returns(columns: TensorObs, rows: int, gamma: float, n: int, paid: str = "reward") -> Transitions:
    """The first `rows` steps of columns [T, N, ...], each with its next n rewards summed up: a flat batch [rows * N].

    The columns are those of `columns_of`, with `terminated`, `truncated` and the rewards, named `paid`, among them; see
    `n_step_returns`.
    """
    returns, discount, reach = n_step_returns(columns[paid], columns["terminated"], columns["truncated"], gamma, n)
    env = torch.arange(returns.shape[1], device=returns.device)
    kept = {name: column[:rows] for name, column in columns.items() if name not in ("terminated", "truncated")}
    kept |= {paid: returns[:rows], "discount": discount[:rows]}
    kept |= {name: columns[name][reach[:rows], env] for name in columns if name.startswith(NEXT_OBS)}
    return steps_of({name: column.flatten(0, 1) for name, column in kept.items()})


def joined(first: Transitions, second: Transitions) -> Transitions:
    """One batch after the other; columns that only one of them has are left out."""
    one, other = columns_of(first), columns_of(second)
    return steps_of({name: torch.cat([column, other[name]]) for name, column in one.items() if name in other})


def columns_of(steps: Transitions) -> TensorObs:
    """Everything that is kept of steps, under names of one level; the next observation as `next_obs.NAME`."""
    named = {f"{_OBS}{name}": entry for name, entry in steps.obs.items()}
    named |= {f"{NEXT_OBS}{name}": entry for name, entry in steps.next_obs.items()}
    return named | {"action": steps.action} | steps.extra


def steps_of(columns: TensorObs) -> Transitions:
    """The way back."""
    rest = dict(columns)
    obs, next_obs = _taken(rest, _OBS), _taken(rest, NEXT_OBS)
    return Transitions(obs, rest.pop("action"), rest, next_obs)


def _taken(columns: TensorObs, prefix: str) -> TensorObs:
    names = [name for name in columns if name.startswith(prefix)]
    return {name.removeprefix(prefix): columns.pop(name) for name in names}
