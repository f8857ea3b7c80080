"""Change: pays for actions that change what is seen, and less each time the same change is seen.

Paper: Parisi et al. 2021, Interesting object, curious agent (the part of it that counts changes)
"""

from dataclasses import dataclass

import torch

from rewardlab.maths.counting import hash_rows
from rewardlab.parts.memories.visit_counts import VisitCounts
from rewardlab.rewards.base import BonusConfig, BonusScheme
from rewardlab.schemas import option
from rewardlab.types import BuildContext, Rollout


@dataclass
class Config(BonusConfig):
    coef: float = option(0.005, "weight of the bonus", minimum=0)


class Scheme(BonusScheme):
    reads = ("image",)
    stateful = ("changes",)

    def __init__(self, config: Config, context: BuildContext) -> None:
        super().__init__(config, context)
        self.changes = VisitCounts()

    def bonus(self, rollout: Rollout) -> torch.Tensor:
        change = rollout.next_obs["image"].int() - rollout.obs["image"].int()
        counts = self.changes.add(hash_rows(change.flatten(2).numpy()))
        return torch.from_numpy(counts).rsqrt().to(rollout.task_reward)
