"""No curriculum: the task as it is."""

from dataclasses import dataclass

from rewardlab.schemas import CurriculumConfig

VERSION = 1


@dataclass
class Config(CurriculumConfig):
    pass
