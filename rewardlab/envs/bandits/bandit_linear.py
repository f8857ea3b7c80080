"""Bandit whose arms have features: what an arm pays is linear in them, or linear above a threshold and 0 below it

Papers: Li et al. 2010, A contextual-bandit approach to personalized news article recommendation (LinUCB); Agrawal and
Goyal 2013 (linear Thompson sampling); Dong and Yang 2023, Does sparsity help in learning misspecified linear bandits?

The features phi of the K arms are random unit vectors, drawn once from `env.draw`, and known. A level draws theta, a
unit vector, with `env.s` entries that are not 0.

| env.kind | an arm pays, beside N(0, `env.noise`^2) |
|---|---|
| linear | theta phi |
| needle | theta phi where it is more than `env.eps` from 0, else 0: few arms pay, and the others tell nothing |
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.bandits.base import ArmsConfig, MeansEnv, arms_spec
from rewardlab.envs.levels import Levels
from rewardlab.schemas import option
from rewardlab.types import Arms, Array, TaskFacts

VERSION = 1
_ARMS, _FEATURES = {"linear": 50, "needle": 4000}, {"linear": 5, "needle": 40}


@dataclass
class Config(ArmsConfig):
    kind: str = option("linear", "what arms pay", choices=("linear", "needle"))
    k: int | None = option(None, "number of arms; null: 50, of kind=needle 4000", minimum=2, maximum=10_000)
    d: int | None = option(None, "number of features; null: 5, of kind=needle 40", minimum=2, maximum=100)
    s: int | None = option(None, "entries of theta that are not 0; null: all, of kind=needle 1", minimum=1)
    eps: float = option(0.5, "of kind=needle: an arm pays nothing below", above=0, maximum=1)
    noise: float = option(0.1, "standard deviation of what is paid", minimum=0)
    steps: int = option(200, "pulls of a problem", above=0, maximum=100_000)
    draw: int = option(0, "seed of the features", minimum=0)

    def validate(self) -> None:
        super().validate()
        if self.kind != "needle" and self.eps != 0.5:
            raise ValueError(f"eps={self.eps:g}: only kind=needle has one")
        if self.support > self.size:
            raise ValueError(f"s={self.s}: there are {self.size} features")

    @property
    def arms(self) -> int:
        return _ARMS[self.kind] if self.k is None else self.k

    @property
    def size(self) -> int:
        return _FEATURES[self.kind] if self.d is None else self.d

    @property
    def support(self) -> int:
        if self.s is None:
            return 1 if self.kind == "needle" else self.size
        return self.s


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> MeansEnv:
    """N problems at a time.

    Args:
        privileged: full-state facts to compute: gap, best, greedy, state_hash, picture.
    """
    phi = np.random.default_rng(config.draw).standard_normal((config.arms, config.size))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    # theta is as likely as its opposite; no arm pays more than 1, but which is the best one's mean is not known.
    task, paid = TaskFacts(0.0, float(config.steps), "bound"), (-np.inf, np.inf)
    known = Arms(features=phi)
    spec = arms_spec(config, f"BanditLinear-{config.kind}", config.arms, config.steps, paid, task, known=known)

    def means(stream: np.random.Generator) -> Array:
        theta = np.zeros(config.size)
        where = stream.choice(config.size, config.support, replace=False)
        theta[where] = stream.standard_normal(config.support)
        found: Array = phi @ (theta / np.linalg.norm(theta))
        return np.where(np.abs(found) > config.eps, found, 0.0) if config.kind == "needle" else found

    return MeansEnv(config, spec, levels, privileged, means, config.noise)
