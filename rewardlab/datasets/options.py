"""The options of everything that learns from demonstrations: which."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.schemas import AgentConfig, option
from rewardlab.types import EnvSpec


@dataclass
class DemosOptions:
    demos: str | None = option(
        None, "demonstrations to learn from: a folder that rewardlab demos made", neutral=None, dataset=True
    )
    demos_episodes: int | None = option(None, "only the first so many of them; null: all", above=0, neutral=None)
    demos_levels: int | None = option(None, "only those on the first so many levels; null: all", above=0, neutral=None)

    def demonstrations(self, group: str, spec: EnvSpec) -> DemonstrationFile:
        """Those that are named, which must be some.

        Args:
            group: the config group that these options belong to, for messages.

        Raises:
            UserError: there are none, or they do not fit the environment.
        """
        assert self.demos is not None
        return DemonstrationFile(f"{group}.demos", self.demos, spec, self.demos_episodes, self.demos_levels)


@dataclass
class DemosConfig(DemosOptions, AgentConfig):
    """Those of an agent that can learn from them."""

    def assumes(self) -> frozenset[str]:
        """What learning from them assumes."""
        return frozenset() if self.demos is None else frozenset({"demos"})
