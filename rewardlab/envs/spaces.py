"""gymnasium's spaces in our vocabulary: what an observation dict holds, and how actions are translated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from rewardlab.errors import OfTheTask, UserError
from rewardlab.maths.boxes import executed
from rewardlab.types import ActionSpec, Array, ObsSpec


@dataclass(frozen=True)
class ActionCodec:
    """What the learner may do, and how its actions [N] or [N, A] become those that gymnasium takes."""

    spec: ActionSpec
    decode: Callable[[Array], Any]


def obs_specs(space: gymnasium.Space[Any]) -> dict[str, ObsSpec]:
    """The entries of a dict space of boxes, each with its largest value or its bounds."""
    assert isinstance(space, gymnasium.spaces.Dict)
    return {name: _entry(name, entry) for name, entry in space.spaces.items()}


def action_codec(env_id: str, space: gymnasium.Space[Any]) -> ActionCodec:
    """The translation of a discrete or box action space.

    Raises:
        UserError: neither of the two.
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        start = int(space.start)
        # Python ints: MiniGrid compares each action with its enum, which is slow on numpy scalars.
        return ActionCodec(ActionSpec(n=int(space.n), start=start), lambda action: (action + start).tolist())
    if isinstance(space, gymnasium.spaces.Box):
        return _box_codec(space)
    raise UserError(
        f"env.id={env_id}: actions are {type(space).__name__}; only Discrete, Box, and what combines discrete ones"
        " (MultiDiscrete, MultiBinary, Tuple, Dict) are supported"
    )


def _box_codec(space: gymnasium.spaces.Box) -> ActionCodec:
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    whole = np.issubdtype(space.dtype, np.integer)

    def decode(action: Array) -> Array:
        return executed(action.reshape(len(action), *space.shape), low, high, whole).astype(space.dtype)

    def bounds(values: Array) -> tuple[float, ...]:
        return tuple(values.ravel().tolist())

    return ActionCodec(ActionSpec(shape=(low.size,), low=bounds(low), high=bounds(high), whole=whole), decode)


def _entry(name: str, space: gymnasium.Space[Any]) -> ObsSpec:
    assert isinstance(space, gymnasium.spaces.Box), name
    dtype = np.dtype(space.dtype)
    if np.issubdtype(dtype, np.integer):
        return ObsSpec(space.shape, dtype.name, int(space.high.max()))
    bounded = np.isfinite(space.low).any() or np.isfinite(space.high).any()
    bounds = (tuple(space.low.ravel().tolist()), tuple(space.high.ravel().tolist())) if bounded else None
    return ObsSpec(space.shape, dtype.name, bounds=bounds)


def refuse_forbidden(env_id: str, mask: Array, action: Array) -> None:
    """Refuse actions, int64 [N], that are not allowed by `types.MASK`, [N, A].

    Raises:
        OfTheTask: names the first of them.
    """
    wrong = np.flatnonzero(mask[np.arange(len(action)), action] == 0)
    if len(wrong):
        allowed = ", ".join(map(str, np.flatnonzero(mask[wrong[0]])))
        raise OfTheTask(f"{env_id}: action {action[wrong[0]]} is not allowed there (allowed: {allowed})")
