"""Several choices at once as one: each combination of a MultiDiscrete, MultiBinary, Tuple or Dict is one action.

Combinations are numbered in mixed radix, the first choice counting most: of MultiDiscrete([2, 3]), action 4 is [1, 1].
Every agent and every reward scheme sees a plain discrete action; the environment gets arrays of its own shape and type.
"""

import math
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rewardlab.errors import UserError
from rewardlab.types import Array

Space = spaces.Space[Any]
Env = gymnasium.Env[Any, Any]
MOST = 1024  # combinations: an agent has an output for each
_SEVERAL = (spaces.MultiDiscrete, spaces.MultiBinary, spaces.Tuple, spaces.Dict)


class Combinations:
    """All combinations of what a space lets choose.

    Attributes:
        count: how many there are.

    Raises:
        UserError: a part of it is not discrete, or there are more than `MOST`.
    """

    def __init__(self, env_id: str, space: Space) -> None:
        self._space = space
        self._sizes = _sizes(env_id, space)
        self.count = math.prod(self._sizes)
        if self.count > MOST:
            sizes = " x ".join(map(str, self._sizes)) if len(self._sizes) <= 12 else f"of {len(self._sizes)} choices"
            raise UserError(
                f"env.id={env_id}: {self.count:,} combinations of actions ({sizes}), and at most {MOST:,} can be one"
                " choice each; leave fewer by a wrapper (env.wrappers=[MODULE:NAME])"
            )

    def action(self, index: int) -> Any:
        """The combination of this number, 0 to `count` - 1, as the space has it."""
        return _filled(self._space, iter(np.unravel_index(index, self._sizes)))


def combined(env_id: str, env: Env) -> Env:
    """The environment with one choice for each combination, where it asks for several choices at once."""
    return _Combined(env, Combinations(env_id, env.action_space)) if isinstance(env.action_space, _SEVERAL) else env


class _Combined(gymnasium.ActionWrapper[Any, Any, Any]):
    def __init__(self, env: Env, combinations: Combinations) -> None:
        super().__init__(env)
        self.action_space = spaces.Discrete(combinations.count)
        self.action = lambda action: combinations.action(int(action))  # type: ignore[method-assign]


def _sizes(env_id: str, space: Space) -> list[int]:
    """How many ways each of the choices has, in order."""
    if isinstance(space, spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, spaces.MultiDiscrete):
        return [int(size) for size in np.ravel(space.nvec)]
    if isinstance(space, spaces.MultiBinary):
        return [2] * math.prod(space.shape)
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        parts = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
        return [size for part in parts for size in _sizes(env_id, part)]
    raise UserError(
        f"env.id={env_id}: a part of its actions is {type(space).__name__}; only discrete ones can be combined"
    )


def _filled(space: Space, digits: Iterator[Any]) -> Any:
    """The space's own kind of action, from one digit for each choice in order."""
    if isinstance(space, spaces.Discrete):
        return space.dtype.type(space.start + next(digits))
    if isinstance(space, spaces.MultiDiscrete):
        return (_array(space, digits) + space.start).astype(space.dtype)
    if isinstance(space, spaces.MultiBinary):
        return _array(space, digits)
    if isinstance(space, spaces.Dict):
        return {key: _filled(part, digits) for key, part in space.spaces.items()}
    assert isinstance(space, spaces.Tuple)
    return tuple(_filled(part, digits) for part in space.spaces)


def _array(space: spaces.MultiDiscrete | spaces.MultiBinary, digits: Iterator[Any]) -> Array:
    taken = [next(digits) for _ in range(math.prod(space.shape))]
    return np.array(taken, space.dtype).reshape(space.shape)
