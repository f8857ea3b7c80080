"""Bandit on a line: K arms at points from 0 to 1, near ones pay alike; a peak lies somewhere, in each problem elsewhere

Paper: Kleinberg, Slivkins and Upfal 2008, Multi-armed bandits in metric spaces

An arm pays 1 with probability .9 - `env.slope` times the distance to the peak, else 0: the mean is a Lipschitz function
with a constant of at most 1, which `agent=zooming` takes for granted. The peak is U(0, 1), from the level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.bandits.base import ArmsConfig, MeansEnv, arms_spec
from rewardlab.envs.levels import Levels
from rewardlab.schemas import option
from rewardlab.types import Arms, Array, TaskFacts

VERSION = 1
_TOP = 0.9


@dataclass
class Config(ArmsConfig):
    k: int = option(101, "number of points", minimum=2, maximum=1000)
    steps: int = option(1000, "pulls of a problem", above=0, maximum=100_000)
    slope: float = option(0.8, "how fast the mean falls with the distance to the peak", minimum=0, maximum=0.9)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> MeansEnv:
    """N problems at a time.

    Args:
        privileged: full-state facts to compute: gap, best, greedy, state_hash, picture.
    """
    points = np.linspace(0.0, 1.0, config.k)
    away = float((points**2 + (1.0 - points) ** 2).mean()) / 2.0  # the mean distance of an arm and a peak
    task = TaskFacts(config.steps * (_TOP - config.slope * away), config.steps * _TOP, "bound")
    known = Arms(features=points[:, None])
    spec = arms_spec(config, "BanditLipschitz", config.k, config.steps, (0.0, 1.0), task, known=known)

    def means(stream: np.random.Generator) -> Array:
        found: Array = _TOP - config.slope * np.abs(points - stream.random())
        return found

    return MeansEnv(config, spec, levels, privileged, means, None)
