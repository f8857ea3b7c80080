"""Lending: thresholds on credit scores, chosen under constraints of equal treatment and of service; ours

After Du 2025, Optimistic feasible search for closed-loop fair threshold decision-making (arXiv:2512.22313)

An arm is a threshold, from 0 to 1. At each step 200 people apply, a share x of them of group B. Scores are Beta(3, 2)
in group A and Beta(2, 3) in B, and who scores s repays with probability s. A loan at or above the threshold pays 1/2
where it is repaid, else -1/2; the reward is the mean over applicants. Then x moves by .05 (.3 + .4 a_B - x), a_B being
the share of B that got loans: to each threshold belongs an x at which all comes to rest.

What is seen beside the reward are two costs, to be kept at or below 0: |a_A - a_B| - `env.eps`, and `env.service` less
the share of all applicants that got loans. `gap` is what the best threshold that is feasible at rest pays there, less
what the chosen one pays now, on average; below 0 where it pays more than is allowed. `violation` is the sum of how far
the two were above 0, on average, at each step: eval.csv has its mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.bandits.base import ArmsConfig, ArmsEnv, arms_spec
from rewardlab.envs.levels import Levels
from rewardlab.facts import VIOLATION
from rewardlab.schemas import option
from rewardlab.types import Arms, Array, EnvSpec, TaskFacts

VERSION = 1
_PEOPLE = 200
_RATE, _BASE, _DRAWN, _AT_FIRST = 0.05, 0.3, 0.4, 0.5  # how x moves, and where it begins
_SHAPES = ((3, 2), (2, 3))  # of the groups' scores


@dataclass
class Config(ArmsConfig):
    k: int = option(21, "number of thresholds", minimum=2, maximum=1000)
    eps: float = option(0.1, "how far the groups' shares of loans may be apart", minimum=0, maximum=1)
    service: float = option(0.05, "share of applicants that are to get loans", minimum=0, maximum=1)
    steps: int = option(3000, "decisions of a problem", above=0, maximum=100_000)

    def validate(self) -> None:
        super().validate()
        if self.repeats > 1:
            raise ValueError(f"repeats={self.repeats}: violations are summed up within one episode; leave it out")


class Rest:
    """What is expected of each threshold, and where it comes to rest.

    accepted, paid: [2, K], the share of a group's applicants that get loans, and what it pays per applicant.
    x: [K], the share of group B at rest. reward: [K]; cost: [2, K], there.
    """

    def __init__(self, config: Config) -> None:
        from scipy.special import betainc

        self._config, self.thresholds = config, np.linspace(0.0, 1.0, config.k)
        above = [[1.0 - betainc(a + i, b, self.thresholds) for i in (0, 1)] for a, b in _SHAPES]
        self.accepted = np.array([share for share, _ in above])
        # The mean of score times acceptance: of Beta(a, b), a / (a + b) of Beta(a + 1, b) is above.
        self.paid = np.array(
            [a / (a + b) * more - 0.5 * share for (a, b), (share, more) in zip(_SHAPES, above, strict=True)]
        )
        self.x = _BASE + _DRAWN * self.accepted[1]
        every = np.arange(config.k)
        self.reward, self.cost = self.at(every, self.x)

    def at(self, arm: Array, x: Array) -> tuple[Array, Array]:
        """What arms [N] pay where group B is a share x [N], [N], and what they cost, [2, N]."""
        accepted, paid, config = self.accepted[:, arm], self.paid[:, arm], self._config
        served = (1.0 - x) * accepted[0] + x * accepted[1]
        costs = np.stack([np.abs(accepted[0] - accepted[1]) - config.eps, config.service - served])
        reward: Array = (1.0 - x) * paid[0] + x * paid[1]
        return reward, costs


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Lending":
    """N problems at a time.

    Args:
        privileged: full-state facts to compute: gap, best, greedy, violation, state_hash, picture.
    """
    known, beside = Arms(costs=2), [(-1.0, 1.0)] * 2
    spec = arms_spec(
        config, "Lending", config.k, config.steps, (-0.5, 0.5), TaskFacts(), beside, known, (VIOLATION,), (VIOLATION,)
    )
    return Lending(config, spec, levels, privileged)


class Lending(ArmsEnv):
    """x: [N], the share of group B. cost: [N, 2], of the last step. violation: [N], of the episode so far."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(config, spec, levels, privileged)
        self.config, self.rest = config, Rest(config)
        feasible = (self.rest.cost <= 0.0).all(axis=0)
        self.leader = int(np.where(feasible, self.rest.reward, -np.inf).argmax())
        count = levels.num_envs
        self.arrays |= {"x": np.zeros(count), "cost": np.zeros((count, 2)), "violation": np.zeros(count)}

    def write(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["x"][i] = _AT_FIRST

    def pull(self, action: Array) -> tuple[Array, Array, Array]:
        arrays, config = self.arrays, self.config
        x, paid = arrays["x"], np.zeros(self.num_envs)
        expected, costs = self.rest.at(action, x)
        arrays["violation"] += costs.clip(min=0.0).sum(axis=0)
        for i, stream in enumerate(self.streams):
            of_b = int(stream.binomial(_PEOPLE, x[i]))
            loans, shares = 0, [0.0, 0.0]
            for group, many in enumerate((_PEOPLE - of_b, of_b)):
                scores = stream.beta(*_SHAPES[group], many)
                accepted = scores >= self.rest.thresholds[action[i]]
                repaid = stream.random(many) < scores
                paid[i] += (accepted * (repaid - 0.5)).sum() / _PEOPLE
                shares[group] = float(accepted.mean()) if many else 0.0
                loans += int(accepted.sum())
            arrays["cost"][i] = abs(shares[0] - shares[1]) - config.eps, config.service - loans / _PEOPLE
            x[i] += _RATE * (_BASE + _DRAWN * shares[1] - x[i])
        return paid, self.rest.reward[self.leader] - expected, action == self.leader

    def beside(self) -> list[Array]:
        return [self.arrays["cost"]]

    def hidden(self) -> list[Array]:
        return [self.arrays["x"][:, None]]

    def fact(self, name: str) -> Array:
        return self.arrays["violation"].copy() if name == VIOLATION else super().fact(name)
