"""No bonus: the task's own reward and nothing else."""

from dataclasses import dataclass

from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RewardConfig

VERSION = 1


@dataclass
class Config(RewardConfig):
    pass


class Scheme(BaseScheme):
    """Pays the task's reward."""

    labels_data = True
    pays_by_step = True
