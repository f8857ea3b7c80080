"""Visits within the episode of the states that a rollout reached."""

import numpy as np
import torch

from rewardlab.parts.memories.episode_counts import EpisodeCounts
from rewardlab.parts.state import load_state, state_of
from rewardlab.parts.state_keys import KeyOptions, StateKeys
from rewardlab.types import BuildContext, Rollout, State


class EpisodicVisits:
    """N_ep of RIDE, NovelD and AGAC: how often the environment's own episode has been in a state, now included.

    Attributes:
        keys: what tells states apart.
        share_of_first: of the steps of the latest rollout, those that led where the episode had not been.
    """

    def __init__(self, scheme: str, options: KeyOptions, context: BuildContext) -> None:
        """Args:
        scheme: its name, for what is refused.
        options: what tells states apart.
        """
        self.keys = StateKeys(scheme, options, context)
        self._counts = EpisodeCounts(context.num_envs)
        self.share_of_first = 0.0

    def add(self, rollout: Rollout) -> torch.Tensor:
        """Take a rollout in: the counts of its successors, float32 [T, N], at least 1."""
        first = rollout.first.cpu().numpy()
        counts = self._counts.add(self.keys.reached(rollout), self.keys.starts(rollout), first)
        self.share_of_first = float((counts == 1).mean())
        return torch.from_numpy(counts.astype(np.float32)).to(rollout.task_reward.device)

    def state_dict(self) -> State:
        return state_of({"keys": self.keys, "counts": self._counts})

    def load_state_dict(self, state: State) -> None:
        load_state({"keys": self.keys, "counts": self._counts}, state)
