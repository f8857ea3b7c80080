"""Numbers that say what a step was, each an expression: what a teacher ranks steps by, or a reward model sees of them.

An expression may read entries of the observation that the step led to, as in `vector[0]`, full-state facts of that
state, the `action` that was executed, and `terminated`: whether the task ended there, which a time limit does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rewardlab.errors import UserError
from rewardlab.maths.boxes import executed
from rewardlab.maths.expression import Expression
from rewardlab.parts.expressions import fact_shape, number
from rewardlab.types import EnvSpec, TensorObs

_OBSERVED, _ACTION, TERMINATED = ("vector",), "action", "terminated"


def facts_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The full-state facts that expressions read."""
    known = (*_OBSERVED, _ACTION, TERMINATED)
    names = (name for text in texts for name in Expression(text).names)
    return tuple(dict.fromkeys(name for name in names if name not in known))


def check(key: str, texts: Sequence[str]) -> None:
    """Raises:
    ValueError: one of them is no expression, or the same for all steps.
    """
    for text in texts:
        try:
            names = Expression(text).names
        except ValueError as error:
            raise ValueError(f"{key}={text}: {error}") from None
        if not names:
            raise ValueError(f"{key}={text}: is the same for every step; name a fact, as in -abs(action[0])")


class StepTerms:
    """F expressions of the steps of one world.

    Args:
        key: the option that they stand in, for messages.

    Attributes:
        reads_ends: whether one of them reads `terminated`.

    Raises:
        UserError: one of them can't be computed there, or gives no single number.
    """

    def __init__(self, key: str, texts: Sequence[str], spec: EnvSpec) -> None:
        self._key, self._texts, self._spec = key, list(texts), spec
        self._expressions = [Expression(text) for text in texts]
        names = {name for expression in self._expressions for name in expression.names}
        self.reads_ends = TERMINATED in names
        for name in _OBSERVED:
            if name in names and name not in spec.obs:
                raise UserError(f"{key}: reads {name}, and {spec.id} shows {', '.join(spec.obs)}")
        bounds = (spec.action.low, spec.action.high)
        self._low, self._high = (torch.tensor(bound).reshape(spec.action.shape or (0,)) for bound in bounds)
        # On made-up zeros, so that an expression that gives no number is refused before a run begins.
        shape = (2, 3)
        obs = {name: torch.zeros(*shape, *entry.shape) for name, entry in spec.obs.items()}
        facts = {fact: torch.zeros(*shape, *fact_shape(fact, spec)) for fact in facts_of(texts)}
        action = torch.zeros(*shape, *spec.action.shape)
        self(obs, facts, action, torch.zeros(shape))

    def __len__(self) -> int:
        return len(self._expressions)

    def __call__(
        self, next_obs: TensorObs, facts: TensorObs, action: torch.Tensor, terminated: torch.Tensor | None
    ) -> torch.Tensor:
        """float32 [..., F], of steps [...].

        Args:
            terminated: bool [...]; may be None where none of them reads it.
        """
        shape = action.shape[: action.dim() - len(self._spec.action.shape)]
        if not self._spec.action.discrete:
            low, high = self._low.to(action.device), self._high.to(action.device)
            action = executed(action, low, high, self._spec.action.whole)
        values = {**next_obs, **facts, _ACTION: action} | ({} if terminated is None else {TERMINATED: terminated})
        found = [
            number(each, values, shape, f"{self._key}={text}", self._spec)
            for text, each in zip(self._texts, self._expressions, strict=True)
        ]
        return torch.stack(found, dim=-1) if found else torch.zeros(*shape, 0, device=action.device)
