"""The steps of the best episodes so far, by a score that changes as counts grow.

Source: Zha et al. 2021, Rank the episodes (arXiv:2101.08152).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from rewardlab.maths.counting import Keys
from rewardlab.types import Array, Episode, State, Transitions

Scoring = Callable[[list[Keys], Array], Array]  # keys of each of E episodes, facts [E, F] -> scores [E]


class RankedEpisodes:
    """At most `size` steps; of the last episode that has room, as many as fit.

    Args:
        score: of all episodes, the kept ones too; asked for whenever new ones come.
    """

    def __init__(self, size: int, score: Scoring) -> None:
        self.size = size
        self._score = score
        self._steps: Transitions | None = None
        self._owner = np.empty(0, dtype=np.int64)  # each step's episode, an index of the lists below
        self._keys: list[Keys] = []
        self._facts = np.empty((0, 0))
        self.scores = np.empty(0)

    def __len__(self) -> int:
        return self._owner.size

    @property
    def facts(self) -> Array:
        """float64 [E, F], of the episodes that have steps here."""
        return self._facts

    def add(self, episodes: Sequence[Episode], keys: Sequence[Keys], facts: Array) -> None:
        """Take episodes in, score all anew and keep the steps of the best; of equals, the newer.

        Args:
            keys: of the states of each episode, int64 [L].
            facts: float64 [E, F].
        """
        if not episodes:
            return
        fresh = Transitions(
            {name: torch.cat([episode.obs[name] for episode in episodes]) for name in episodes[0].obs},
            torch.cat([episode.action for episode in episodes]),
        )
        owner = np.repeat(np.arange(len(episodes)), [len(episode) for episode in episodes])
        if self._steps is not None:
            fresh = _joined(fresh, self._steps)
            owner = np.concatenate([owner, self._owner + len(episodes)])
            facts = np.concatenate([facts, self._facts])
        all_keys = [*keys, *self._keys]
        scores = self._score(all_keys, facts)
        best = np.argsort(-scores[owner], kind="stable")[: self.size]
        kept, self._owner = np.unique(owner[best], return_inverse=True)
        self._keys = [all_keys[i] for i in kept]
        self._facts, self.scores = facts[kept], scores[kept]
        self._steps = _at(fresh, torch.from_numpy(best))

    def sample(self, count: int, generator: torch.Generator) -> Transitions:
        """Steps drawn uniformly, with replacement. There must be some."""
        assert self._steps is not None
        return _at(self._steps, torch.randint(len(self), (count,), generator=generator))

    def state_dict(self) -> State:
        steps = self._steps
        return {
            "obs": {} if steps is None else {name: entry.clone() for name, entry in steps.obs.items()},
            "action": None if steps is None else steps.action.clone(),
            "owner": torch.from_numpy(self._owner.copy()),
            "keys": [torch.from_numpy(keys.copy()) for keys in self._keys],
            "facts": torch.from_numpy(self._facts.copy()),
            "scores": torch.from_numpy(self.scores.copy()),
        }

    def load_state_dict(self, state: State) -> None:
        obs = {name: entry.clone() for name, entry in state["obs"].items()}
        self._steps = None if state["action"] is None else Transitions(obs, state["action"].clone())
        self._owner = state["owner"].numpy().copy()
        self._keys = [keys.numpy().copy() for keys in state["keys"]]
        self._facts, self.scores = state["facts"].numpy().copy(), state["scores"].numpy().copy()


def _joined(first: Transitions, second: Transitions) -> Transitions:
    obs = {name: torch.cat([entry, second.obs[name]]) for name, entry in first.obs.items()}
    return Transitions(obs, torch.cat([first.action, second.action]))


def _at(steps: Transitions, index: torch.Tensor) -> Transitions:
    index = index.to(steps.action.device)
    return Transitions({name: entry[index] for name, entry in steps.obs.items()}, steps.action[index])
