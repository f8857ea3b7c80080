"""Sweets for everyone

Paper: Wonka 1964
Assumes: privileged
"""

from dataclasses import dataclass

from rewardlab.schemas import RewardConfig, option

VERSION = 2


@dataclass
class Config(RewardConfig):
    coef: float = option(0.5, "weight of the bonus", minimum=0)
    key: str = option("view", "what is counted", choices=("view", "state"))
    sizes: list[int] = option([64, 64], "widths of layers")
    shared: bool = option(True, "over environments")
    limit: int | None = option(None, "most sweets; null: none")

    def validate(self) -> None:
        if self.coef > 100:
            raise ValueError(f"coef={self.coef:g}: more than anyone can eat")


class Scheme:
    def __init__(self, config, context):
        raise NotImplementedError("a name and options are all that the tests need")
