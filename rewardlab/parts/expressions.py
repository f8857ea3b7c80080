"""Expressions over what is known of states, for the schemes that are configured by them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from rewardlab.errors import UserError
from rewardlab.facts import POSITION
from rewardlab.maths.expression import Expression
from rewardlab.types import EnvSpec, TensorObs

OBSERVED = ("vector",)  # entries of the observation that an expression may read


def number(
    expression: Expression, values: Mapping[str, torch.Tensor], shape: tuple[int, ...], what: str, spec: EnvSpec
) -> torch.Tensor:
    """float32 of a shape such as [T, N], one number for each state or step.

    Args:
        values: what the names stand for, of that shape, or [*shape, K].
        what: the option that has the expression, for what is refused.

    Raises:
        UserError: the expression does not give one number for each.
    """
    try:
        found = expression(values)
    except (RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{what}: can't be computed on {spec.id} ({reason})") from None
    if not found.dim():
        return found.expand(shape)
    if found.shape != shape:
        raise UserError(
            f"{what}: gives numbers of shape {tuple(found.shape[len(shape) :])} instead of one; take one of them, as in"
            f" {expression.names[0]}[0]"
        )
    return found


def check_on_zeros(
    expression: Expression, spec: EnvSpec, what: str, more: Mapping[str, tuple[int, ...]] | None = None
) -> None:
    """Compute it once on made-up zeros, so that one that gives no number is refused before a run begins.

    Args:
        more: the shapes of names that are neither facts nor observed.
    """
    shapes = {name: spec.obs[name].shape for name in OBSERVED if name in spec.obs} | dict(more or {})
    zeros: TensorObs = {name: torch.zeros(1, 1, *shapes.get(name, fact_shape(name, spec))) for name in expression.names}
    number(expression, zeros, (1, 1), what, spec)


def fact_shape(name: str, spec: EnvSpec) -> tuple[int, ...]:
    """The shape of a full-state fact of one state: positions have coordinates, what else can be read is one number."""
    if name in spec.fact_shapes:
        return spec.fact_shapes[name]
    if name == POSITION and spec.place is not None:
        return (len(spec.place[0]),)
    return (2,) if name.endswith("_pos") else ()
