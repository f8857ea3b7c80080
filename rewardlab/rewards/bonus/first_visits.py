"""First visits: pays every state that the episode has not been in, and nothing for coming back.

Paper: Wang et al. 2023, Revisiting intrinsic reward for exploration in procedurally generated environments
Assumes: nothing with key=view, simhash or downscaled, privileged with key=state

The bonus of a step to its true successor s' is 1[N_ep(s') = 1]. N_ep counts visits within the episode, this one and the
state with which it began included. Nothing is learned, and nothing is remembered from one episode to the next. It is
NovelD's second factor (Zhang et al. 2021).
"""

from dataclasses import dataclass

import torch

from rewardlab.parts.memories.episodic_visits import EpisodicVisits
from rewardlab.parts.state_keys import KINDS, CellOptions
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Metrics, Rollout

VERSION = 1


@dataclass
class Config(CellOptions, BonusConfig):
    coef: float = option(0.001, "weight of the bonus", minimum=0)
    key: str = option("view", "what tells states apart: view, place, message, full state, or likeness", choices=KINDS)
    bits: int = option(32, "length of the simhash: more bits tell more states apart", above=0, maximum=1024)


class Scheme(BonusScheme):
    """A set of states for each environment, emptied where an episode begins."""

    metrics = ("explore/first_visits",)
    stateful = ("visits",)
    episodic_memory = True

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.visits = EpisodicVisits("first_visits", config, context)
        self.tell_apart_by(self.visits.keys)

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        return (self.visits.add(rollout) == 1).float()

    def update(self, rollout: Rollout) -> Metrics:
        return {"explore/first_visits": self.visits.share_of_first}
