"""Bandit rules: greedy, epsilon-greedy, UCB1, Thompson sampling, successive elimination, Exp3, OFS: nothing is trained

Papers: Auer, Cesa-Bianchi and Fischer 2002; Thompson 1933; Even-Dar, Mannor and Mansour 2006; Auer et al. 2002 (Exp3);
Du 2025 (OFS); Malik et al. 2023 (burn-in); as in Slivkins 2019, Introduction to multi-armed bandits (arXiv:1904.07272)

Each plays worlds of arms that show the last one and what it paid: `env.show=last`.

| agent.rule | pulls |
|---|---|
| greedy | the best mean so far, each arm once first |
| epsilon | likewise; with probability `agent.epsilon` any arm |
| ucb1 | the largest mean + c sqrt(ln t / n); c is sqrt 2 by default |
| thompson | the largest draw of Beta(1 + s, 1 + n - s); without bounds on rewards, of a posterior on N(0, 1) |
| elimination | arms in turn; those leave whose mean + c sqrt(ln T / n) is below another's mean - c sqrt(ln T / n) |
| exp3 | by weights that fall by exp(-eta loss / p), eta = sqrt(2 ln K / (T K)); loss = 1 - reward |
| ofs | the largest mean + b, b = c sqrt(2 ln (T K) / n), of arms with no cost - b above 0; or the least such |
| primal_dual | the largest mean + b - Sum lambda_j (cost_j - b); lambda_j then rises by .05 cost_j, never below 0 |

The last two are for `env=lending`, whose costs are to be kept at or below 0. In its turn i, from 1 on, an arm of
elimination is pulled `agent.burn_in` times without being judged, and `agent.block`^i times judged: by default once, as
the rule is known; with burn_in and block 2 it is for `env=bandit_tallying`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rewardlab.agents import random
from rewardlab.agents.bandits.base import CompiledRule
from rewardlab.errors import UserError
from rewardlab.maths import bandits, costly_bandits
from rewardlab.maths.costly_bandits import CONSTRAINED
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, StreamSpec

VERSION = 1
_OWN = {
    "c": ("ucb1", "elimination", *CONSTRAINED),
    "epsilon": ("epsilon",),
    "burn_in": ("elimination",),
    "block": ("elimination",),
}


@dataclass
class Config(random.Config):
    rule: str = option("ucb1", "how an arm is chosen", choices=(*bandits.RULES, *CONSTRAINED))
    c: float | None = option(
        None, "width of the bounds; null: sqrt 2 of rule=ucb1 and elimination, .15 of ofs and primal_dual", minimum=0
    )
    epsilon: float = option(0.1, "of rule=epsilon: probability of any arm", minimum=0, maximum=1)
    burn_in: int = option(0, "of rule=elimination: pulls of an arm's turn that are not judged", minimum=0, neutral=0)
    block: int = option(
        1,
        "of rule=elimination: judged pulls of an arm in turn i = 1, 2.. are block^i; 2 doubles them",
        minimum=1,
        neutral=1,
    )

    def validate(self) -> None:
        for name, rules in _OWN.items():
            value = getattr(self, name)
            if value != type(self).__dataclass_fields__[name].default and self.rule not in rules:
                raise ValueError(f"{name}={value:g}: only rule={', '.join(rules)} has it")


class Agent(CompiledRule):
    """One of `maths.bandits`, or of `maths.costly_bandits` where costs are to be kept down."""

    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        width = math.sqrt(2.0) if config.c is None else config.c
        options = {"ucb1": width, "elimination": width, "epsilon": config.epsilon}
        number = CONSTRAINED[config.rule] if config.rule in CONSTRAINED else bandits.RULES.index(config.rule)
        turn = float(config.burn_in), float(config.block)
        super().__init__(config, context, streams, number, options.get(config.rule, 0.0), *turn)
        if config.rule == "exp3" and not self.unit:
            raise UserError("agent.rule=exp3: needs rewards within 0 and 1; use env.kind=bernoulli or adversarial")
        self.stochastic = config.rule in ("epsilon", "thompson", "exp3")
        if config.rule not in CONSTRAINED:
            return
        if not self.known.costs or self.known.budget is not None:
            raise UserError(
                f"agent.rule={config.rule}: {context.spec.id} shows no costs that are to be kept down; use env=lending"
            )
        self._constrained, self._c = number, 0.15 if config.c is None else config.c
        self.row_size, self.bandit_rule = costly_bandits.row_size(self.arms, self.known.costs), None

    def pull(self, rows: Array, first: Array, keys: Array, arm: Array, paid: Array) -> Array:
        if self.bandit_rule is not None:
            return super().pull(rows, first, keys, arm, paid)
        found: Array = costly_bandits.act(
            rows, first, keys, arm, paid, self.arms, self._constrained, self._c, self.horizon, 0.0
        )
        return found
