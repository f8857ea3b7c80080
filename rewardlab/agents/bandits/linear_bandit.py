"""Linear bandit rules: LinUCB, linear Thompson sampling, sparse nets: one model of features for all arms

Papers: Li et al. 2010, A contextual-bandit approach to personalized news article recommendation; Agrawal and Goyal
2013; Dong and Yang 2023, Does sparsity help in learning misspecified linear bandits?

For worlds whose arms have fixed features x: `env=bandit_linear`, `env=bandit_lipschitz`. Nothing is trained.

| agent.rule | pulls |
|---|---|
| linucb | the largest theta x + `agent.alpha` sqrt(x' A^-1 x), A = I + Sum x x', theta = A^-1 Sum x r |
| lints | the largest theta x, theta drawn of N(A^-1 Sum x r, `agent.alpha`^2 A^-1) |
| sparse_net | for each vector of a net of `agent.s`-sparse ones the nearest arm, once; then the one that paid most |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.agents import random
from rewardlab.agents.bandits.base import RuleAgent
from rewardlab.errors import UserError
from rewardlab.maths import linear_bandits
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, StreamSpec

VERSION = 1
_MOST = 20_000  # vectors of a net


@dataclass
class Config(random.Config):
    rule: str = option("linucb", "how an arm is chosen", choices=linear_bandits.RULES)
    alpha: float = option(1.0, "of rule=linucb and lints: width of the bounds, of the draws", minimum=0)
    s: int = option(1, "of rule=sparse_net: entries of theta that are not 0", minimum=1)
    eps: float = option(0.5, "of rule=sparse_net: how near a vector of the net is to any other", above=0, maximum=1)

    def validate(self) -> None:
        for name, default, rules in (
            ("alpha", 1.0, "linucb and lints"),
            ("s", 1, "sparse_net"),
            ("eps", 0.5, "sparse_net"),
        ):
            value = getattr(self, name)
            if value != default and self.rule not in rules.split():
                raise ValueError(f"{name}={value:g}: only rule={rules} has it")


class Agent(RuleAgent):
    def __init__(self, config: Config, context: BuildContext, streams: tuple[StreamSpec, ...]) -> None:
        """Raises:
        UserError: arms have no features, or the net is too large, or takes more pulls than there are.
        """
        super().__init__(config, context, streams)
        features, name = self.known.features, context.spec.id
        if features is None:
            raise UserError(f"agent=linear_bandit: arms of {name} have no features; use env=bandit_linear")
        self._features = np.ascontiguousarray(features)
        self._rule, self._alpha = linear_bandits.RULES.index(config.rule), config.alpha
        self._asked = np.zeros(0, dtype=np.int64)
        self.row_size = linear_bandits.row_size(features.shape[1])
        self.stochastic = config.rule == "lints"
        if config.rule != "sparse_net":
            return
        size = features.shape[1]
        if config.s > size:
            raise UserError(f"agent.s={config.s}: arms of {name} have {size} features")
        if (count := linear_bandits.net_size(size, config.s, config.eps)) > _MOST:
            raise UserError(
                f"agent.s={config.s} agent.eps={config.eps:g}: the net has {count} vectors, and {_MOST} are the most"
            )
        self._asked = linear_bandits.queries(features, linear_bandits.sparse_net(size, config.s, config.eps))
        if len(self._asked) >= self.horizon:
            raise UserError(
                f"agent.rule=sparse_net: asks {len(self._asked)} arms first, and {name} ends after {self.horizon:g}"
                f" pulls; use env.steps={len(self._asked) + 1} or more"
            )

    def pull(self, rows: Array, first: Array, keys: Array, arm: Array, paid: Array) -> Array:
        found: Array = linear_bandits.act(
            rows, first, keys, arm, paid[:, 0].copy(), self._features, self._asked, self._rule, self._alpha
        )
        return found
