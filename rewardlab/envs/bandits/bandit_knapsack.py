"""Bandits with knapsacks: a pull pays, and costs something of several budgets; the problem ends when one is spent

Papers: Badanidiyuru, Kleinberg and Slivkins 2013, Bandits with knapsacks; Immorlica, Sankararaman, Schapire and
Slivkins 2019, Adversarial bandits with knapsacks

Beside the arm and what it paid, what it cost of each budget is seen, and the share of each that is left.

| env.kind | an arm |
|---|---|
| random | pays 1 and costs 1 of each of `env.resources` budgets with probabilities of its own, U(0, 1), else 0 |
| one_each | pays 1 and costs 1 of a budget of its own: any one arm pays `env.budget`, all in turn pay K times as much |

The yardstick is the fluid linear programme: no policy is paid more on average. `gap` is what a pull's costs are worth
at the programme's prices, and the pull itself, less what it pays on average; the last pull is also charged what is
left. The sum over a problem is what is missing to the programme's value, on average. `best` are the arms that a best
mixture plays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.bandits.base import ArmsConfig, ArmsEnv, arms_spec
from rewardlab.envs.levels import Levels
from rewardlab.maths.costly_bandits import fluid
from rewardlab.schemas import option
from rewardlab.types import Arms, Array, EnvSpec, TaskFacts

VERSION = 1
_TIE = 1e-9


@dataclass
class Config(ArmsConfig):
    kind: str = option("random", "what arms pay and cost", choices=("random", "one_each"))
    k: int | None = option(None, "number of arms; null: 5, of kind=one_each 2", minimum=2, maximum=1000)
    resources: int | None = option(
        None, "number of budgets; null: 2, of kind=one_each one for each arm", minimum=1, maximum=100
    )
    budget: float | None = option(
        None, "of each resource; null: a quarter of steps, of kind=one_each steps / k", minimum=1
    )
    steps: int = option(1000, "pulls of a problem at most", above=0, maximum=100_000)

    def validate(self) -> None:
        super().validate()
        if self.kind == "one_each" and self.resources not in (None, self.arms):
            raise ValueError(f"resources={self.resources}: kind=one_each has one for each of {self.arms} arms")
        if self.limit < 1:
            raise ValueError(f"steps={self.steps}: leaves a budget of {self.limit:g} by default; set budget, 1 or more")

    @property
    def arms(self) -> int:
        return (2 if self.kind == "one_each" else 5) if self.k is None else self.k

    @property
    def costs(self) -> int:
        return (self.arms if self.kind == "one_each" else 2) if self.resources is None else self.resources

    @property
    def limit(self) -> float:
        if self.budget is not None:
            return self.budget
        return self.steps / (self.arms if self.kind == "one_each" else 4)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "KnapsackBandit":
    """N problems at a time.

    Args:
        privileged: full-state facts to compute: gap, best, greedy, state_hash, picture.
    """
    task = TaskFacts()
    if config.kind == "one_each":
        best = min(config.arms * config.limit, float(config.steps))
        task = TaskFacts(None, best, "bound")
    known = Arms(costs=config.costs, budget=config.limit)
    name = f"BanditKnapsack-{config.kind}-{config.costs}x{config.limit:g}"
    beside = [(0.0, 1.0)] * (2 * config.costs)
    spec = arms_spec(config, name, config.arms, config.steps, (0.0, 1.0), task, beside, known)
    return KnapsackBandit(config, spec, levels, privileged)


class KnapsackBandit(ArmsEnv):
    """means: [N, K], of what is paid. rates: [N, J, K], of what is cost. cost, left: [N, J], of the last pull; what is
    left. prices: [N, J + 1], of a unit of each budget, and of a pull.
    """

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(config, spec, levels, privileged)
        self.config, count = config, levels.num_envs
        self.arrays |= {
            "means": np.zeros((count, config.arms)),
            "rates": np.zeros((count, config.costs, config.arms)),
            "cost": np.zeros((count, config.costs)),
            "left": np.zeros((count, config.costs)),
            "prices": np.zeros((count, config.costs + 1)),
        }

    def write(self, i: int, stream: np.random.Generator) -> None:
        config, arrays = self.config, self.arrays
        if config.kind == "one_each":
            arrays["means"][i], arrays["rates"][i] = 1.0, np.eye(config.arms)
        else:
            arrays["means"][i] = stream.random(config.arms)
            arrays["rates"][i] = stream.random((config.costs, config.arms))
        arrays["left"][i] = config.limit
        _, prices, time = fluid(arrays["means"][i], arrays["rates"][i], config.limit, config.steps)
        arrays["prices"][i] = [*prices, time]

    def pull(self, action: Array) -> tuple[Array, Array, Array]:
        arrays, every = self.arrays, np.arange(self.num_envs)
        means, rates = arrays["means"][every, action], arrays["rates"][every, :, action]
        chance = np.array([stream.random(1 + self.config.costs) for stream in self.streams])
        paid = chance[:, 0] < means
        arrays["cost"][:] = chance[:, 1:] < rates
        arrays["left"] -= arrays["cost"]
        prices = arrays["prices"]
        reduced = np.einsum("njk,nj->nk", arrays["rates"], prices[:, :-1]) + prices[:, -1:] - arrays["means"]
        gap = reduced[every, action]
        best = gap <= reduced.min(axis=1) + _TIE
        gap = np.where(np.abs(gap) < _TIE, 0.0, gap)
        unused = np.einsum("nj,nj->n", arrays["left"], prices[:, :-1]) + prices[:, -1] * (self._limit - self.steps - 1)
        return paid, gap + np.where(self.over() | (self.steps + 1 >= self._limit), unused, 0.0), best

    def over(self) -> Array:
        return np.asarray((self.arrays["left"] < 1.0).any(axis=1))

    def beside(self) -> list[Array]:
        return [self.arrays["cost"], self.arrays["left"] / self.config.limit]

    def hidden(self) -> list[Array]:
        return [self.arrays["left"]]
