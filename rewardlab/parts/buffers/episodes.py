"""Whole episodes, put together from rollouts that cut them anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from rewardlab.types import Episode, Rollout, State, TensorObs

_MANY = 4  # rollouts that are kept apart
_HOW = ("terminated", "truncated", "success")  # an episode ended


@dataclass
class _Piece:
    """Steps of one episode within one rollout, or several joined, see `Episode`; or of all environments, [T, N]."""

    obs: TensorObs
    action: torch.Tensor
    task_reward: torch.Tensor
    next_obs: TensorObs = field(default_factory=dict)

    def part(self, steps: slice, env: int) -> _Piece:
        """Some steps of one environment, where there are all: a view."""
        return _Piece(
            {name: entry[steps, env] for name, entry in self.obs.items()},
            self.action[steps, env],
            self.task_reward[steps, env],
            {name: entry[steps, env] for name, entry in self.next_obs.items()},
        )


class EpisodeAssembler:
    """Keeps what each environment has played of its episode so far.

    Rollouts are kept whole, and cut into episodes where these end: no environment costs anything while it plays on.

    Args:
        successors: whether episodes have their `next_obs`, at the price of twice the memory.
    """

    def __init__(self, num_envs: int, successors: bool = False) -> None:
        self._successors = successors
        self._rollouts: list[tuple[int, int, _Piece]] = []  # numbers of the first step and after the last; [T, N] steps
        self._steps = 0  # of all rollouts
        self._begin = np.zeros(num_envs, dtype=np.int64)  # the first step of each running episode that is in them
        self._before: list[_Piece | None] = [None] * num_envs  # what of it is in none

    def add(self, rollout: Rollout) -> list[Episode]:
        """Take a rollout in: the episodes that ended in it, in the order of their ends.

        A first frame begins an episode: what was kept of one that never ended is dropped.
        """
        done, first = rollout.done.cpu().numpy(), rollout.first[0].cpu().numpy()
        begun = self._steps
        self._steps += rollout.steps
        self._rollouts.append((begun, self._steps, self._copied(rollout)))
        self._begin[first] = begun
        for env in first.nonzero()[0].tolist():
            self._before[env] = None
        ended: list[Episode] = []
        hows = [how.cpu().numpy()[done].tolist() for how in (rollout.terminated, rollout.truncated, rollout.success)]
        times, envs = (places.tolist() for places in done.nonzero())
        for end, env, *how in zip(times, envs, *hows, strict=True):
            ended.append(
                Episode(**vars(_joined(self._pieces(env, begun + end + 1))), **dict(zip(_HOW, how, strict=True)))
            )
            self._begin[env], self._before[env] = begun + end + 1, None
        self._forget()
        return ended

    def begun(self) -> dict[int, TensorObs]:
        """The true successors of what each environment has played of an episode that is open, [L, ...] each."""
        return {env: whole.next_obs for env, whole in enumerate(self._open()) if whole is not None}

    def state_dict(self) -> State:
        return {"begun": [None if whole is None else dict(vars(whole)) for whole in self._open()]}

    def load_state_dict(self, state: State) -> None:
        self._rollouts, self._steps, self._begin = [], 0, np.zeros_like(self._begin)
        self._before = [None if piece is None else _joined([_Piece(**piece)]) for piece in state["begun"]]

    def _open(self) -> list[_Piece | None]:
        pieces = [self._pieces(env, self._steps) for env in range(len(self._begin))]
        return [_joined(some) if some else None for some in pieces]

    def _pieces(self, env: int, end: int) -> list[_Piece]:
        """Of the running episode, up to a step: views."""
        before, begin = self._before[env], int(self._begin[env])
        found = [] if before is None else [before]
        for first, last, kept in self._rollouts:
            if begin < last and first < end:
                found.append(kept.part(slice(max(begin - first, 0), min(end, last) - first), env))
        return found

    def _forget(self) -> None:
        """Drop rollouts of which no running episode is part, and join the rest before they are many."""
        oldest = int(self._begin.min())
        self._rollouts = [kept for kept in self._rollouts if kept[1] > oldest]
        if len(self._rollouts) > _MANY:
            self._rollouts = [(self._rollouts[0][0], self._steps, _joined([steps for *_, steps in self._rollouts]))]

    def _copied(self, rollout: Rollout) -> _Piece:
        """In memory of its own: the next rollout is written into the same."""
        next_obs = rollout.next_obs if self._successors else {}
        return _joined([_Piece(rollout.obs, rollout.action, rollout.task_reward, next_obs)])


def _joined(pieces: list[_Piece]) -> _Piece:
    """In memory of its own."""
    return _Piece(
        {name: torch.cat([piece.obs[name] for piece in pieces]) for name in pieces[0].obs},
        torch.cat([piece.action for piece in pieces]),
        torch.cat([piece.task_reward for piece in pieces]),
        {name: torch.cat([piece.next_obs[name] for piece in pieces]) for name in pieces[0].next_obs},
    )
