"""An agent that takes its time"""

from dataclasses import dataclass

from rewardlab.schemas import AgentConfig, option


@dataclass
class Config(AgentConfig):
    gamma: float = option(0.99, "discount", above=0, maximum=1)


class Agent:
    def __init__(self, config, context, streams):
        raise NotImplementedError("a name and options are all that the tests need")
