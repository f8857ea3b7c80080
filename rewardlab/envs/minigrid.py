"""Farama's MiniGrid tasks: on the fast engine where it covers them, else stepped by MiniGrid's own code.

The agent sees the 7x7 view in front of it as raw ints (object, colour, state), and the mission as tokens
where it varies between episodes; its direction is not shown. Reward: 1 - 0.9 * steps / max_steps on success.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rewardlab import gridworld
from rewardlab.envs import registry
from rewardlab.envs.config import RegisteredConfig, check_privileged
from rewardlab.errors import UserError

if TYPE_CHECKING:
    from minigrid.minigrid_env import MiniGridEnv

    from rewardlab.types import TaskFacts, VecEnv

VERSION = 1
SUCCESS = "the episode ended with a positive reward"


@dataclass
class Config(RegisteredConfig):
    def example_id(self) -> str:
        return "MiniGrid-DoorKey-8x8-v0"

    def task_facts(self, success: str | None) -> "TaskFacts":
        """What the config states; the rest as the solver and random play have found it (see `gridworld.task_facts`)."""
        from rewardlab.gridworld.task_facts import task_facts

        stated = super().task_facts(success)
        if not gridworld.covers(self.id):
            return stated
        found = task_facts(self.id)
        if stated.optimal_return is None:
            stated = replace(stated, optimal_return=found.optimal_return, optimum_kind=found.optimum_kind)
        return stated if stated.random_return is not None else replace(stated, random_return=found.random_return)


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
    from rewardlab.envs.fast import fast_env
    from rewardlab.envs.grid_view import GridView
    from rewardlab.envs.levels import Levels
    from rewardlab.envs.reference import reference_env
    from rewardlab.envs.spaces import action_codec, obs_specs
    from rewardlab.types import EnvSpec

    check_privileged(config.id, privileged, tuple(FACTS))
    backend = _backend(config)
    first = _grid(config.id)
    viewed = GridView(first)
    codec = action_codec(config.id, viewed.action_space)
    spec = EnvSpec(
        id=config.id,
        obs=obs_specs(viewed.observation_space),
        action=codec.spec,
        max_steps=first.max_steps,
        task=config.task_facts(SUCCESS),
        backend=backend,
        privileged=tuple(FACTS),
    )
    levels = Levels(num_envs, level_pool, level_lists)
    if backend == "fast":
        return fast_env(config.id, num_envs, spec, levels, viewed.tokens, privileged)
    grids = [first, *(_grid(config.id) for _ in range(num_envs - 1))]
    facts = {name: [FACTS[name](grid) for grid in grids] for name in privileged}
    return reference_env([GridView(grid) for grid in grids], spec, codec, levels, facts, reward_is_success=True)


def _backend(config: Config) -> str:
    """The engine that steps the task.

    Raises:
        UserError: the fast one is asked for by name and does not cover the task.
    """
    if config.backend == "reference" or gridworld.covers(config.id):
        return "reference" if config.backend == "reference" else "fast"
    if config.backend == "fast":
        raise UserError(f"env.backend=fast: does not cover {config.id}; use env.backend=reference")
    print(f"{config.id}: not covered by the fast engine; stepped by MiniGrid's own code", file=sys.stderr)
    return "reference"


def _grid(env_id: str) -> "MiniGridEnv":
    """The bare environment: MiniGrid keeps its own time limit, so no wrapper is needed."""
    env: Any = registry.build(env_id).unwrapped
    from minigrid.minigrid_env import MiniGridEnv

    if not isinstance(env, MiniGridEnv):
        raise UserError(f"env.id={env_id}: not a MiniGrid task; use env=gym env.id={env_id}")
    return env
