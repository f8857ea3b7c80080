"""How many states the keys of a run tell apart in random play."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rewardlab.maths.counting import Keys
from rewardlab.rewards.base import BaseScheme
from rewardlab.schemas import RootConfig
from rewardlab.training.build import build
from rewardlab.training.random_play import random_play, warm_up

STEPS = 10_000
FEW = 20  # fewer keys than that are a handful
NEARLY_ALL = 0.95  # share of steps with a key of their own from which hardly anything is counted twice
_AT_ONCE = 32  # vector steps of which the observations are held at a time


@dataclass(frozen=True)
class ToldApart:
    """What `scheme` with key=`kind` made of `steps` steps of random play in `env`: so many distinct keys."""

    scheme: str
    kind: str
    env: str
    distinct: int
    steps: int

    @property
    def line(self) -> str:
        """What was found, and what it means where counts would tell little."""
        found = (
            f"reward={self.scheme} key={self.kind}: {self.distinct:,} distinct keys in {self.steps:,} steps of random"
            f" play on {self.env}"
        )
        hashed = self.kind == "simhash"
        if self.distinct < FEW:
            more = ", raise bits" if hashed else ""
            return f"{found}; warning: fewer than {FEW}: unless the task has so few states{more}, counts tell little"
        if self.distinct > NEARLY_ALL * self.steps:
            fewer = ": lower bits" if hashed else ""
            return f"{found}; warning: nearly every step has a key of its own, so that nothing is counted twice{fewer}"
        return found


def told_apart(config: RootConfig) -> list[ToldApart]:
    """One for each scheme of a run that counts states; none where no scheme does.

    Raises:
        UserError: the parts of the run do not fit together.
    """
    parts = build(config)
    try:
        scheme = parts.scheme
        if not (isinstance(scheme, BaseScheme) and scheme.told_apart):
            return []
        warm_up(config, parts)
        context = parts.generators.context("check", config, parts.env.spec)
        pieces = math.ceil(STEPS / config.num_envs / _AT_ONCE)
        steps = math.ceil(STEPS / config.num_envs / pieces)
        seen: list[list[Keys]] = [[] for _ in scheme.told_apart]
        for rollout in random_play(config, context, "check", [steps] * pieces):
            for keys, found in zip(scheme.told_apart, seen, strict=True):
                found.append(np.unique(keys.reached(rollout)))
        played = steps * pieces * config.num_envs
        return [
            ToldApart(keys.scheme, keys.kind, parts.env.spec.id, np.unique(np.concatenate(found)).size, played)
            for keys, found in zip(scheme.told_apart, seen, strict=True)
        ]
    finally:
        parts.env.close()
