"""A batched MiniGrid engine: bit-exact with Farama's, its whole state in plain arrays.

    envs = make_vec("MiniGrid-DoorKey-8x8-v0", 256)
    observation, _ = envs.reset(seed=0)
    observation, rewards, terminated, truncated, infos = envs.step(actions)

Importing this module is light: numba is loaded by the first `make_vec`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rewardlab.gridworld.catalogue import TASKS, covers

if TYPE_CHECKING:
    from rewardlab.gridworld.vector import GridVectorEnv

__all__ = ["covers", "env_ids", "make_vec", "warm"]


def env_ids() -> list[str]:
    """All ids that the engine covers, sorted."""
    return sorted(TASKS)


def make_vec(env_id: str, num_envs: int, **options: Any) -> "GridVectorEnv":
    """A batch of environments of one MiniGrid task; the options are those of `rewardlab.gridworld.vector.make_vec`."""
    from inspect import signature

    from rewardlab.errors import unknown
    from rewardlab.gridworld import vector

    allowed = list(signature(vector.make_vec).parameters)[2:]
    for name in options:
        if name not in allowed:
            raise unknown("make_vec option", name, allowed, "option")
    return vector.make_vec(env_id, num_envs, **options)


def warm(env_ids: Iterable[str], **options: Any) -> None:
    """Compiles the kernels of these environments and options, so that processes started later only load them."""
    for env_id in env_ids:
        make_vec(env_id, 1, **options)
