"""Bandit that keeps a tally: what an arm pays depends on how often it was pulled lately, so that switching has its
price

Paper: Malik, Igoe, Li and Singh 2023, Weighted tallying bandits (arXiv:2305.02955); here all weights are 1 / m

An arm's exposure y is the share of the last m pulls, this one among them, that were its own; before m pulls, those that
are missing were nobody's. Its loss is `env.start` + (`env.full` - `env.start`) y, and it pays 1 - loss + N(0,
`env.noise`^2). Problems draw the order of the arms. By default one arm falls from .8 to .2, while others stay at .4 to
.55: who does not stick with it for a while never sees what it is worth.

`gap` is what a pull loses more than the best arm does at full exposure. Its sum is the complete policy regret. `best`
is that arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.bandits.base import ArmsConfig, ArmsEnv, arms_spec
from rewardlab.envs.levels import Levels
from rewardlab.schemas import option
from rewardlab.types import Array, EnvSpec, TaskFacts

VERSION = 1


@dataclass
class Config(ArmsConfig):
    start: list[float] = option([0.8, 0.4, 0.45, 0.5, 0.55], "losses of arms that were not pulled lately")
    full: list[float] = option([0.2, 0.4, 0.45, 0.5, 0.55], "losses of arms that were pulled m times in a row")
    m: int = option(20, "pulls that are remembered", minimum=1, maximum=1000)
    noise: float = option(0.1, "standard deviation of what is paid", minimum=0)
    steps: int = option(2000, "pulls of a problem", above=0, maximum=100_000)

    def validate(self) -> None:
        super().validate()
        if len(self.start) < 2 or len(self.start) != len(self.full):
            raise ValueError(
                f"start has {len(self.start)} numbers and full {len(self.full)}: must be one for each of 2 arms or more"
            )


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "TallyingBandit":
    """N problems at a time.

    Args:
        privileged: full-state facts to compute: gap, best, greedy, state_hash, picture.
    """
    start, full, pulls = np.array(config.start), np.array(config.full), config.steps
    # Random play: this pull, and of those that are remembered one in K.
    exposure = (1.0 + np.arange(pulls).clip(max=config.m - 1) / len(start)) / config.m
    random = float((1.0 - start.mean() - (full - start).mean() * exposure).sum())
    best = max(1.0 - float(np.minimum(start, full).min()), 0.0)
    task, paid = TaskFacts(random, pulls * best, "bound"), (-np.inf, np.inf)
    spec = arms_spec(config, f"BanditTallying-{config.m}", len(start), pulls, paid, task)
    return TallyingBandit(config, spec, levels, privileged)


class TallyingBandit(ArmsEnv):
    """start, full: [N, K]. window: int64 [N, m], the last pulls, the latest at their number modulo m; -1: none yet."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(config, spec, levels, privileged)
        self.config, count = config, levels.num_envs
        self.arrays |= {
            "start": np.zeros((count, self.count)),
            "full": np.zeros((count, self.count)),
            "window": np.full((count, config.m), -1, dtype=np.int64),
        }

    def write(self, i: int, stream: np.random.Generator) -> None:
        order = stream.permutation(self.count)
        self.arrays["start"][i] = np.array(self.config.start)[order]
        self.arrays["full"][i] = np.array(self.config.full)[order]
        self.arrays["window"][i] = -1

    def pull(self, action: Array) -> tuple[Array, Array, Array]:
        arrays, every = self.arrays, np.arange(self.num_envs)
        window, full, start = arrays["window"], arrays["full"], arrays["start"][every, action]
        window[every, self.steps % self.config.m] = action
        exposure = (window == action[:, None]).mean(axis=1)
        loss = start + (full[every, action] - start) * exposure
        chance = np.array([stream.standard_normal() for stream in self.streams])
        return 1.0 - loss + self.config.noise * chance, loss - full.min(axis=1), action == full.argmin(axis=1)

    def hidden(self) -> list[Array]:
        return [self.arrays["window"].astype(np.float64), self.steps[:, None] % self.config.m * 1.0]
