"""Whole episodes, put together from rollouts that cut them anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from rewardlab.types import Episode, Rollout, State, TensorObs


@dataclass
class _Piece:
    """Steps of one episode within one rollout, or several joined; see `Episode`."""

    obs: TensorObs
    action: torch.Tensor
    task_reward: torch.Tensor
    next_obs: TensorObs = field(default_factory=dict)


class EpisodeAssembler:
    """Keeps what each environment has played of its episode so far.

    Args:
        successors: whether episodes have their `next_obs`, at the price of twice the memory.
    """

    def __init__(self, num_envs: int, successors: bool = False) -> None:
        self._successors = successors
        self._begun: list[list[_Piece]] = [[] for _ in range(num_envs)]

    def add(self, rollout: Rollout) -> list[Episode]:
        """Take a rollout in: the episodes that ended in it, in the order of their ends.

        A first frame begins an episode: what was kept of one that never ended is dropped.
        """
        done, first = rollout.done.cpu().numpy(), rollout.first[0].tolist()
        own: Rollout | None = (
            None  # a copy, of which pieces are views: the next rollout is written into the same memory
        )
        ended: list[tuple[int, int, Episode]] = []
        for env in range(rollout.num_envs):
            start = 0
            if first[env]:
                self._begun[env] = []
            for end in np.flatnonzero(done[:, env]).tolist():
                whole = _joined([*self._begun[env], self._piece(rollout, start, end + 1, env)])
                terminated, truncated = bool(rollout.terminated[end, env]), bool(rollout.truncated[end, env])
                episode = Episode(**vars(whole), terminated=terminated, truncated=truncated,
                                  success=bool(rollout.success[end, env]))  # fmt: skip
                ended.append((end, env, episode))
                self._begun[env], start = [], end + 1
            if start < rollout.steps:
                own = own or self._copied(rollout)
                self._begun[env].append(self._piece(own, start, rollout.steps, env))
        return [episode for *_, episode in sorted(ended, key=lambda item: item[:2])]

    def begun(self) -> dict[int, TensorObs]:
        """The true successors of what each environment has played of an episode that is open, [L, ...] each."""
        return {env: _joined(pieces).next_obs for env, pieces in enumerate(self._begun) if pieces}

    def state_dict(self) -> State:
        return {"begun": [dict(vars(_joined(pieces))) if pieces else None for pieces in self._begun]}

    def load_state_dict(self, state: State) -> None:
        self._begun = [[] if piece is None else [_joined([_Piece(**piece)])] for piece in state["begun"]]

    def _copied(self, rollout: Rollout) -> Rollout:
        next_obs = rollout.next_obs if self._successors else {}
        return replace(
            rollout,
            obs={name: entry.clone() for name, entry in rollout.obs.items()},
            next_obs={name: entry.clone() for name, entry in next_obs.items()},
            action=rollout.action.clone(),
            task_reward=rollout.task_reward.clone(),
        )

    def _piece(self, rollout: Rollout, start: int, end: int, env: int) -> _Piece:
        """A view."""
        next_obs = rollout.next_obs if self._successors else {}
        return _Piece(
            {name: entry[start:end, env] for name, entry in rollout.obs.items()},
            rollout.action[start:end, env],
            rollout.task_reward[start:end, env],
            {name: entry[start:end, env] for name, entry in next_obs.items()},
        )


def _joined(pieces: list[_Piece]) -> _Piece:
    """In memory of its own."""
    return _Piece(
        {name: torch.cat([piece.obs[name] for piece in pieces]) for name in pieces[0].obs},
        torch.cat([piece.action for piece in pieces]),
        torch.cat([piece.task_reward for piece in pieces]),
        {name: torch.cat([piece.next_obs[name] for piece in pieces]) for name in pieces[0].next_obs},
    )
