"""Named factors of a step, each an expression of what is known of it: the input of a latent reward.

Source: Qu et al. 2024, Latent reward: LLM-empowered credit assignment in episodic reinforcement learning (LaRe,
arXiv:2412.11120), where a language model writes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from rewardlab.errors import UserError
from rewardlab.maths.expression import Expression
from rewardlab.parts.expressions import fact_shape, number
from rewardlab.types import EnvSpec, TensorObs

OBSERVED = ("vector", "next_vector", "action")  # what expressions may name besides full-state facts
FACTORS = "factors"  # the entry that stands for an observation


def facts_of(factors: Mapping[str, str]) -> tuple[str, ...]:
    """The full-state facts that they read.

    Raises:
        ValueError: one is no expression.
    """
    names: dict[str, None] = {}
    for key, text in factors.items():
        try:
            names |= dict.fromkeys(Expression(text).names)
        except ValueError as error:
            raise ValueError(f"factors.{key}={text}: {error}") from None
    return tuple(name for name in names if name not in OBSERVED)


class Factors:
    """K of them: `vector` is before the step, `next_vector` and the facts after it; a discrete `action` is its number.

    Raises:
        UserError: one can't be computed in this world.
    """

    def __init__(self, name: str, factors: Mapping[str, str], spec: EnvSpec) -> None:
        self._name, self._spec = name, spec
        self._expressions = {key: Expression(text) for key, text in factors.items()}
        read = {name for expression in self._expressions.values() for name in expression.names}
        if read & {"vector", "next_vector"} and "vector" not in spec.obs:
            raise UserError(f"reward={name}: its factors read the vector, and {spec.id} shows {', '.join(spec.obs)}")
        self.size = len(self._expressions)
        obs = {key: torch.zeros(1, *entry.shape) for key, entry in spec.obs.items()}
        action = torch.zeros(1, dtype=torch.int64) if spec.action.discrete else torch.zeros(1, *spec.action.shape)
        facts = {fact: torch.zeros(1, *fact_shape(fact, spec)) for fact in read - set(OBSERVED)}
        self.of(obs, action, obs, facts)  # so that what gives no number is refused before a run begins

    def of(self, obs: TensorObs, action: torch.Tensor, next_obs: TensorObs, facts: TensorObs) -> torch.Tensor:
        """float32 [..., K].

        Args:
            facts: of the true successor, each [..., *shape].
        """
        shape = action.shape if self._spec.action.discrete else action.shape[: -len(self._spec.action.shape)]
        known = {**facts, "action": action}
        if "vector" in obs:
            known |= {"vector": obs["vector"], "next_vector": next_obs["vector"]}
        found = [
            number(expression, known, shape, f"reward.factors.{key}", self._spec)
            for key, expression in self._expressions.items()
        ]
        return torch.stack(found, dim=-1)
