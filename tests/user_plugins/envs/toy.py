"""A toy world that exists in the tests only"""

from dataclasses import dataclass

from rewardlab.schemas import EnvConfig, option

VERSION = 3


@dataclass
class Config(EnvConfig):
    size: int = option(5, "cells", above=1)
    slippery: float = option(0.0, "chance of slipping", minimum=0, maximum=1)
    text: str = option("", "any text")
    skin: str = option("plain", "what it looks like", choices=("plain", "fancy"), in_setting=False)
    wind: float = option(0.0, "added later; still air is as before", neutral=0.0)


def make(config, levels, privileged=()):
    raise NotImplementedError("a name and options are all that the tests need")
