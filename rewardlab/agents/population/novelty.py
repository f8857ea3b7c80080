"""What agents with a novelty search have in common: its options, what tells lives apart, and when that has a lesson."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rewardlab.agents.population.base import PopulationAgent, PopulationConfig, init_option
from rewardlab.parts.archives.descriptor_kinds import make_descriptor
from rewardlab.parts.archives.lessons import Lessons
from rewardlab.parts.archives.novelty_search import NoveltyOptions, NoveltySearch
from rewardlab.schemas import option
from rewardlab.types import BuildContext, State, StreamSpec


@dataclass
class NoveltyConfig(NoveltyOptions, PopulationConfig):
    population: int = option(100, "parents of a generation of the novelty search", minimum=2, maximum=10**6)
    episodes: int = option(1, "lives of each individual; with env.levels=K there are K, one on each level", above=0)
    init: str = init_option("normal")


class NoveltyAgent(PopulationAgent):
    """A novelty search, and the champion."""

    metrics = (*PopulationAgent.metrics, "explore/archive", "explore/novelty")

    def __init__(self, config: Any, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        self._descriptor = make_descriptor(config, context)
        self.tell_apart_by(self._descriptor)
        self._search = NoveltySearch(config, self._descriptor, self._rng)
        self._lessons = Lessons(config)
        if self._descriptor.learns:
            self.metrics += ("explore/surprise", "loss/encoder")

    def lesson_is_due(self, count: int) -> bool:
        """Whether the descriptor is to learn, after so many more children of the search have lived."""
        return self._descriptor.learns and self._lessons.lived(count)

    def state_dict(self) -> State:
        lessons = {"lessons": self._lessons.state_dict()} if self._descriptor.learns else {}
        return super().state_dict() | lessons

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        if self._descriptor.learns:
            self._lessons.load_state_dict(state["lessons"])
