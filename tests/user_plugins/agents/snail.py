"""An agent that takes its time"""

from dataclasses import dataclass

from rewardlab.schemas import AgentConfig, option


@dataclass
class Config(AgentConfig):
    gamma: float = option(0.99, "discount", above=0, maximum=1)
