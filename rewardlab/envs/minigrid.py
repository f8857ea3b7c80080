"""Farama's MiniGrid tasks, stepped by MiniGrid's own code: the reference backend.

The agent sees the 7x7 view in front of it as raw ints (object, colour, state), and the mission as tokens
where it varies between episodes; its direction is not shown. Reward: 1 - 0.9 * steps / max_steps on success.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewardlab.envs import registry
from rewardlab.envs.config import RegisteredConfig, check_privileged
from rewardlab.errors import UserError
from rewardlab.schemas import option

if TYPE_CHECKING:
    from minigrid.minigrid_env import MiniGridEnv

    from rewardlab.types import VecEnv

VERSION = 1
SUCCESS = "the episode ended with a positive reward"


@dataclass
class Config(RegisteredConfig):
    # Success after no step at all would pay 1: a bound that no policy reaches, until a solver knows better.
    optimal_return: float | None = option(
        1.0, "mean return of the best policy, or a bound on it; null = unknown", in_setting=False
    )
    optimum_kind: str = option(
        "bound", "what optimal_return is", choices=("exact", "bound", "unavailable"), in_setting=False
    )

    def example_id(self) -> str:
        return "MiniGrid-DoorKey-8x8-v0"


def make(
    config: Config,
    num_envs: int,
    *,
    privileged: Sequence[str] = (),
    level_pool: Sequence[int] | None = None,
    level_lists: Sequence[Sequence[int]] | None = None,
) -> "VecEnv":
    """N copies of the task.

    Args:
        privileged: full-state facts to compute, of `facts.FACTS`.
        level_pool: the level seeds to draw from at every reset.
        level_lists: for each environment, the level seeds that it plays in order, over and over.

    Raises:
        UserError: not a MiniGrid task, or a fact that it cannot give.
    """
    from rewardlab.envs.facts import FACTS
    from rewardlab.envs.grid_view import GridView
    from rewardlab.envs.levels import Levels
    from rewardlab.envs.reference import reference_env
    from rewardlab.envs.spaces import action_codec, obs_specs
    from rewardlab.types import EnvSpec

    check_privileged(config.id, privileged, tuple(FACTS))
    grids = [_grid(config.id) for _ in range(num_envs)]
    worlds = [GridView(world) for world in grids]
    codec = action_codec(config.id, worlds[0].action_space)
    spec = EnvSpec(
        id=config.id,
        obs=obs_specs(worlds[0].observation_space),
        action=codec.spec,
        max_steps=grids[0].max_steps,
        task=config.task_facts(SUCCESS),
        privileged=tuple(FACTS),
    )
    facts = {name: [FACTS[name](grid) for grid in grids] for name in privileged}
    levels = Levels(num_envs, level_pool, level_lists)
    return reference_env(worlds, spec, codec, levels, facts, reward_is_success=True)


def _grid(env_id: str) -> "MiniGridEnv":
    """The bare environment: MiniGrid keeps its own time limit, so no wrapper is needed."""
    env: Any = registry.build(env_id).unwrapped
    from minigrid.minigrid_env import MiniGridEnv

    if not isinstance(env, MiniGridEnv):
        raise UserError(f"env.id={env_id}: not a MiniGrid task; use env=gym env.id={env_id}")
    return env
