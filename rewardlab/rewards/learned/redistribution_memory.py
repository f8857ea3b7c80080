"""What the methods that learn from whole episodes have in common: the memory of these, and when it is filled."""

from __future__ import annotations

import numpy as np

from rewardlab.errors import UserError
from rewardlab.parts.buffers.episodes import EpisodeAssembler
from rewardlab.parts.buffers.whole_episodes import WholeEpisodes
from rewardlab.parts.state import Stateful, load_state, state_of
from rewardlab.rewards.learned.redistribution_options import Options
from rewardlab.types import BuildContext, Episode, Rollout, State


class Remembering:
    """Episodes that end while a rollout is paid go to the memory when it is learned from.

    Attributes:
        stateful: names of the attributes that are saved.
    """

    stateful: tuple[str, ...] = ("episodes", "memory")

    def __init__(self, config: Options, context: BuildContext, successors: bool) -> None:
        """Raises:
        UserError: an episode may be longer than the memory.
        """
        longest = context.spec.max_steps
        if longest is not None and longest > config.memory:
            raise UserError(
                f"reward.memory={config.memory}: an episode of {context.spec.id} may have {longest} steps; raise it"
            )
        self.config, self.context = config, context
        self.episodes = EpisodeAssembler(context.num_envs, successors)
        self.memory = WholeEpisodes(config.memory, context.device)
        self._ended: list[Episode] = []

    def note(self, rollout: Rollout) -> None:
        """Take a rollout in; nothing is learned from it yet."""
        self._ended = self.episodes.add(rollout)

    def remember(self) -> int:
        """Keep the episodes that ended; how many they are."""
        count = len(self._ended)
        self.memory.add(self._ended)
        self._ended = []
        return count

    def deviation(self) -> float:
        """Of the returns in the memory; 0 where all are the same."""
        return float(np.std(self.memory.returns)) if len(self.memory) else 0.0

    def state_dict(self) -> State:
        return state_of(self._pieces())

    def load_state_dict(self, state: State) -> None:
        load_state(self._pieces(), state)

    def _pieces(self) -> dict[str, Stateful]:
        return {name: getattr(self, name) for name in self.stateful}
