"""Bandit rules for budgets: primal-dual, and Exp3 against Hedge on the Lagrangian; nothing is trained

Papers: Badanidiyuru, Kleinberg and Slivkins 2013, Bandits with knapsacks; Immorlica, Sankararaman, Schapire and
Slivkins 2019, Adversarial bandits with knapsacks; Slivkins 2019 (arXiv:1904.07272), chapter 10

For `env=bandit_knapsack`. Time is one more budget, of which a pull costs B / T.

| agent.rule | pulls |
|---|---|
| primal_dual | each arm once; then the largest upper bound of what it pays per lower bound of its costs at prices v |
| lagrange | by Exp3 on r + 1 - (T / B) c_i, for a budget i drawn by Hedge, which plays against it |

Bounds are sqrt(c m / n) + c / n around a mean m. After a pull, v_i rises by (1 + sqrt(ln d / B))^(lower bound of c_i),
d the number of budgets.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardlab.agents import random
from rewardlab.agents.bandits.base import RuleAgent
from rewardlab.errors import UserError
from rewardlab.maths import costly_bandits
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, StreamSpec

VERSION = 1


@dataclass
class Config(random.Config):
    rule: str = option("primal_dual", "how an arm is chosen", choices=tuple(costly_bandits.BUDGETED))
    c: float = option(1.0, "of rule=primal_dual: width of the bounds", minimum=0)

    def validate(self) -> None:
        if self.c != 1.0 and self.rule != "primal_dual":
            raise ValueError(f"c={self.c:g}: only rule=primal_dual has it")


class Agent(RuleAgent):
    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        super().__init__(config, context, streams)
        if self.known.budget is None:
            raise UserError(f"agent=knapsack_bandit: {context.spec.id} has no budgets; use env=bandit_knapsack")
        self._rule, self._c, self._budget = costly_bandits.BUDGETED[config.rule], config.c, self.known.budget
        self.row_size = costly_bandits.row_size(self.arms, self.known.costs)
        self.stochastic = config.rule == "lagrange"

    def pull(self, rows: Array, first: Array, keys: Array, arm: Array, paid: Array) -> Array:
        found: Array = costly_bandits.act(
            rows, first, keys, arm, paid, self.arms, self._rule, self._c, self.horizon, self._budget
        )
        return found
