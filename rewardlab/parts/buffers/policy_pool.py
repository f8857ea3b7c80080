"""Whole episodes by the policy that played them, and triples drawn from them: a reference, the same policy, another.

Source: Dou et al. 2025, Pre-trained policy discriminators are general reward models (POLAR, arXiv:2507.05197).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from rewardlab.types import Array, Episode, State, TensorObs, Transitions


@dataclass(frozen=True)
class Triples:
    """Of B policies each: a reference, a segment of the same policy, and as long a one of another.

    reference: its steps [B * R], those of a policy one after another.
    steps: those of all segments [S]. of: int64 [S], which segment each is of: 2 b that of the same policy, 2 b + 1 the
        other one.
    """

    reference: Transitions
    steps: Transitions
    of: torch.Tensor


@dataclass(frozen=True)
class _Kept:
    obs: TensorObs
    action: torch.Tensor

    def __len__(self) -> int:
        return len(self.action)


@dataclass(frozen=True)
class _Table:
    """All episodes of the policies that count, in one piece: a policy's next to one another.

    begin, length: int64 [E], the first row of each episode and how many it has. first: of each policy the number of its
    first episode, and E: [P + 1].
    """

    steps: _Kept
    begin: Array
    length: Array
    first: Array


class PolicyPool:
    """At most `each` episodes of every policy, the latest. Policies have numbers; those below 0 are not saved.

    A policy counts once it has two episodes: if some were never the reference, how well a segment fits could be told
    without looking at that.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._kept: dict[int, deque[_Kept]] = {}
        self._joined: _Table | None = None

    def __len__(self) -> int:
        """How many policies there are."""
        return len(self._known())

    def add(self, policy: int, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._kept.setdefault(policy, deque(maxlen=self._each)).append(_Kept(episode.obs, episode.action))
            self._joined = None

    def draw(self, count: int, segment: int, shown: int, rng: np.random.Generator) -> Triples:
        """So many triples; there must be two policies.

        The reference is `shown` random steps of the other episodes of a policy than the segment's. Both segments have
        `segment` steps, or as many as the shorter episode.
        """
        table = self._table()
        begin, length, first = table.begin, table.length, table.first
        policies = len(first) - 1
        references, rows, of = [], [], []
        for number in range(count):
            policy = int(rng.integers(policies))
            mine = int(rng.integers(first[policy], first[policy + 1]))
            other = int(rng.integers(policies - 1))
            other += other >= policy
            strange = int(rng.integers(first[other], first[other + 1]))
            # Rows of the policy without those of the segment's episode.
            start, steps = begin[first[policy]], length[first[policy] : first[policy + 1]].sum()
            drawn = start + rng.integers(steps - length[mine], size=shown)
            references.append(drawn + np.where(drawn >= begin[mine], length[mine], 0))
            lasts = min(segment, length[mine], length[strange])
            for which, episode in enumerate((mine, strange)):
                rows.append(begin[episode] + rng.integers(length[episode] - lasts + 1) + np.arange(lasts))
                of.append(np.full(lasts, 2 * number + which))
        device = table.steps.action.device
        told = torch.from_numpy(np.concatenate(of)).to(device)
        return Triples(self._at(np.concatenate(references)), self._at(np.concatenate(rows)), told)

    def state_dict(self) -> State:
        return {
            "kept": [
                [policy, {name: entry.clone() for name, entry in one.obs.items()}, one.action.clone()]
                for policy, episodes in self._kept.items()
                if policy >= 0
                for one in episodes
            ]
        }

    def load_state_dict(self, state: State) -> None:
        self._kept = {policy: kept for policy, kept in self._kept.items() if policy < 0}
        self._joined = None
        for policy, obs, action in state["kept"]:
            self._kept.setdefault(policy, deque(maxlen=self._each)).append(_Kept(dict(obs), action))

    def _known(self) -> list[int]:
        """Policies with two episodes, in an order that does not depend on who came first."""
        return [policy for policy in sorted(self._kept) if len(self._kept[policy]) > 1]

    def _table(self) -> _Table:
        if self._joined is None:
            known = [self._kept[policy] for policy in self._known()]
            episodes = [one for kept in known for one in kept]
            obs = {name: torch.cat([one.obs[name] for one in episodes]) for name in episodes[0].obs}
            length = np.array([len(one) for one in episodes])
            steps = _Kept(obs, torch.cat([one.action for one in episodes]))
            first = np.cumsum([0, *map(len, known)])
            self._joined = _Table(steps, np.cumsum(length) - length, length, first)
        return self._joined

    def _at(self, rows: Array) -> Transitions:
        steps = self._table().steps
        index = torch.from_numpy(rows).to(steps.action.device)
        return Transitions({name: entry[index] for name, entry in steps.obs.items()}, steps.action[index], {}, {})
