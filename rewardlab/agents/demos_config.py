"""The options of every agent that can learn from demonstrations."""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.parts.demos_options import DemosOptions
from rewardlab.schemas import AgentConfig


@dataclass
class DemosConfig(DemosOptions, AgentConfig):
    def assumes(self) -> frozenset[str]:
        """What learning from them assumes."""
        return frozenset() if self.demos is None else frozenset({"demos"})
