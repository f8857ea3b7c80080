"""Farama's MiniGrid tasks: on the fast engine where it covers them, else stepped by MiniGrid's own code.

The agent sees the 7x7 view in front of it as raw ints (object, colour, state), and the mission as tokens
where it varies between episodes; its direction is not shown. Reward: 1 - 0.9 * steps / max_steps on success.
Other views, the full grid (with the agent and its direction in it, without what it carries) and noise are options.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rewardlab import gridworld
from rewardlab.envs import registry
from rewardlab.envs.config import RegisteredConfig, check_privileged
from rewardlab.errors import UserError
from rewardlab.facts import DISTANCE, LEVEL, SITUATION
from rewardlab.gridworld.catalogue import find_task, limited_id
from rewardlab.schemas import RootConfig, option

if TYPE_CHECKING:
    from minigrid.minigrid_env import MiniGridEnv

    from rewardlab.envs.levels import Levels
    from rewardlab.types import TaskFacts, VecEnv

VERSION = 1
# The screen of the noisy TV: eight cells in six colours show more than 2**20 pictures, too many to learn.
SMALLEST_SCREEN, DEFAULT_SCREEN = 8, 9
SUCCESS = "the episode ended with a positive reward"


@dataclass
class Config(RegisteredConfig):
    MAY_BE_BOX = False
    ON_GRID = True

    observation: str = option(
        "view", "the square in front of the agent, or the full grid", choices=("view", "full"), neutral="view"
    )
    view_size: int = option(7, "side of the view: odd", minimum=3, maximum=31, neutral=7)
    see_through_walls: bool | None = option(
        None, "whether walls hide what is behind; null: as the task has it", neutral=None
    )
    max_steps: int | None = option(None, "steps of an episode; null: as the task has it", above=0, neutral=None)
    noise: str = option(
        "none",
        "tv: a screen of random cells and an action that changes its channel; colours: visible cells change colour",
        choices=("none", "tv", "colours"),
        neutral="none",
    )
    noise_amount: float | None = option(
        None, "cells of the tv (null: 9), or the share of cells that change colour (null: 0.1)", above=0, neutral=None
    )

    def validate(self) -> None:
        super().validate()
        if self.view_size % 2 == 0:
            raise ValueError(f"view_size={self.view_size}: must be odd, from 3 to 31")
        if self.observation == "full" and (self.view_size != 7 or self.see_through_walls is not None):
            raise ValueError("observation=full: shows the whole grid; leave out view_size and see_through_walls")
        if self.max_steps is not None and self.id.startswith("BabyAI-"):
            raise ValueError(f"max_steps={self.max_steps}: {self.id} has a limit for each instruction; leave it out")
        if self.noise == "none" and self.noise_amount is not None:
            raise ValueError(f"noise_amount={self.noise_amount:g}: there is no noise; set env.noise=tv or colours")
        if self.noise == "colours" and self.noise_amount is not None and self.noise_amount > 1:
            raise ValueError(f"noise_amount={self.noise_amount:g}: the share of cells must be at most 1")
        if self.noise == "tv":
            self._check_screen()

    @property
    def task_id(self) -> str:
        """As the engine and the solver know the task, in the time that it has here."""
        return limited_id(self.id, self.max_steps)

    def _check_screen(self) -> None:
        """The screen stands along two edges of the image."""
        width = height = self.view_size
        if self.observation == "full" and gridworld.covers(self.id):
            task = find_task(self.id)
            width, height = task.width, task.height
        cells, most = self.noise_amount or DEFAULT_SCREEN, width + height - 1
        if most < SMALLEST_SCREEN:
            raise ValueError(f"noise=tv: the screen needs {SMALLEST_SCREEN} cells; this image has room for {most}")
        if not (float(cells).is_integer() and SMALLEST_SCREEN <= cells <= most):
            raise ValueError(
                f"noise_amount={cells:g}: the tv takes whole cells, {SMALLEST_SCREEN} to {most} of them here"
            )

    def example_id(self) -> str:
        return "MiniGrid-DoorKey-8x8-v0"

    def task_facts(self, success: str | None) -> "TaskFacts":
        """What the config states; the rest as the solver and random play have found it (see `gridworld.task_facts`)."""
        from rewardlab.gridworld.task_facts import lowest_return, task_facts

        stated = super().task_facts(success)
        if not gridworld.covers(self.id):
            return stated
        found = task_facts(self.task_id)
        if stated.optimal_return is None:
            stated = replace(stated, optimal_return=found.optimal_return, optimum_kind=found.optimum_kind)
        if stated.random_return is None:
            stated = replace(stated, random_return=found.random_return)
        counts, lowest = found.counts, lowest_return(self.id)
        stated = replace(stated, distinct_levels=counts.distinct_levels, seen_in_training=counts.seen_in_training)
        return replace(stated, lowest_return=lowest)

    def facts_on(self, task: "TaskFacts", levels: Sequence[int]) -> "TaskFacts":
        """What the config states; the rest by the solver and by random play on these very levels, on either backend."""
        from rewardlab.gridworld.level_facts import optimum_on, random_return_on

        stated = super().facts_on(task, levels)
        if not gridworld.covers(self.id):
            return stated
        if stated.optimal_return is None:
            kind, best = optimum_on(self.task_id, levels)
            stated = replace(stated, optimal_return=best, optimum_kind=kind)
        if stated.random_return is None:
            stated = replace(stated, random_return=random_return_on(self.task_id, levels))
        return stated

    def evaluation_seeds(self, episodes: int) -> list[int]:
        """Those of distinct levels, where the task has enough of them."""
        from rewardlab.gridworld.distinct_levels import distinct_seeds

        return (
            list(distinct_seeds(self.id, episodes)) if self._distinct(episodes) else super().evaluation_seeds(episodes)
        )

    def level_keys(self, seeds: Sequence[int]) -> list[bytes] | None:
        from rewardlab.gridworld.distinct_levels import level_keys

        return level_keys(self.id, seeds) if gridworld.covers(self.id) else None

    def revision(self, setting: RootConfig) -> int:
        """Once the scale of `eval.levels=train` was that of all levels, and other evaluations repeated levels. Where
        rewards read facts, episodes were not played in compiled passes, and distances after success were not 0.
        """
        read = 2 * int(gridworld.covers(self.id) and bool(setting.reward.privileged()))
        if setting.eval.levels == "train":
            return read + int(gridworld.covers(self.id))
        return read + int(self._distinct(setting.eval.episodes))

    def _distinct(self, episodes: int) -> bool:
        """Whether evaluations leave out seeds that make a level once more; from a table, so that ids are quick."""
        from rewardlab.gridworld.task_facts import task_facts

        return gridworld.covers(self.id) and task_facts(self.id).counts.plays_distinct(episodes)


def make(config: Config, levels: "Levels", privileged: Sequence[str] = ()) -> "VecEnv":
    """N copies of the task. Noise on images has random streams of its own: what happens is the same without it.

    Args:
        privileged: full-state facts to compute, of `facts.FACTS`; where the solver knows the task, distance too.

    Raises:
        UserError: not a MiniGrid task, or a fact that it cannot give.
    """
    from rewardlab.envs.external.reference import reference_env
    from rewardlab.envs.grids.facts import FACTS
    from rewardlab.envs.grids.fast import ViewOptions, fast_env
    from rewardlab.envs.grids.grid_view import GridView
    from rewardlab.envs.spaces import action_codec, obs_specs
    from rewardlab.types import EnvSpec

    backend, task = _backend(config), config.task_facts(SUCCESS)
    known = backend == "fast" and task.optimum_kind != "unavailable"
    offered = (*FACTS, *((SITUATION, LEVEL) if backend == "fast" else ()), *((DISTANCE,) if known else ()))
    check_privileged(config.id, privileged, offered)
    first = _grid(config)
    viewed = GridView(first, config.observation)
    codec = action_codec(config.id, viewed.action_space)
    spec = EnvSpec(
        id=config.task_id,
        obs=obs_specs(viewed.observation_space),
        action=codec.spec,
        max_steps=find_task(config.task_id).max_steps if gridworld.covers(config.id) else first.max_steps,
        limits_vary=gridworld.covers(config.id) and find_task(config.id).limits_vary,
        task=task,
        backend=backend,
        privileged=offered,
        place=((0.0, 0.0), (first.width - 1.0, first.height - 1.0)),
        downwards=True,
    )
    if backend == "fast":
        look = ViewOptions(
            config.observation, config.view_size, config.see_through_walls, config.noise, config.noise_amount
        )
        return fast_env(config.task_id, spec, levels, viewed.tokens, privileged, look)
    grids = [first, *(_grid(config) for _ in range(levels.num_envs - 1))]
    facts = {name: [FACTS[name](grid) for grid in grids] for name in privileged}
    views = [GridView(grid, config.observation) for grid in grids]
    return reference_env(views, spec, codec, levels, facts, reward_is_success=True)


def _backend(config: Config) -> str:
    """The engine that steps the task.

    Raises:
        UserError: the fast one is asked for, by name or with noise, and does not cover the task.
    """
    if config.noise != "none" and (config.backend == "reference" or not gridworld.covers(config.id)):
        lacks = "" if config.backend == "reference" else f", which does not cover {config.id}"
        raise UserError(f"env.noise={config.noise}: only in env.backend=fast{lacks}")
    if config.backend == "reference" or gridworld.covers(config.id):
        return "reference" if config.backend == "reference" else "fast"
    if config.backend == "fast":
        raise UserError(f"env.backend=fast: does not cover {config.id}; use env.backend=reference")
    print(f"{config.id}: not covered by the fast engine; stepped by MiniGrid's own code", file=sys.stderr)
    return "reference"


def _grid(config: Config) -> "MiniGridEnv":
    """The bare environment: MiniGrid keeps its own time limit, so no wrapper is needed.

    Raises:
        UserError: it is no MiniGrid task, or was registered with wrappers, which would be left out.
    """
    made: Any = registry.build(config.id)
    env, spec = made.unwrapped, made.spec
    from minigrid.minigrid_env import MiniGridEnv

    if not isinstance(env, MiniGridEnv):
        raise UserError(f"env.id={config.id}: not a MiniGrid task; use env=gym env.id={config.id}")
    if spec.max_episode_steps is not None:
        raise UserError(
            f"env.id={config.id}: registered with max_episode_steps={spec.max_episode_steps}, and MiniGrid has a limit"
            " of its own; register it with kwargs={'max_steps': N} instead"
        )
    if spec.additional_wrappers:
        names = ", ".join(wrapper.name for wrapper in spec.additional_wrappers)
        raise UserError(
            f"env.id={config.id}: registered with wrappers ({names}), which env=minigrid does not use; set its options"
            " instead (rewardlab run env=minigrid --help)"
        )
    if config.max_steps is not None:
        env.max_steps = config.max_steps
        made.unwrapped.fixed_max_steps = True  # else BabyAI's would be worked out anew with each level
    env.agent_view_size = config.view_size
    if config.see_through_walls is not None:
        env.see_through_walls = config.see_through_walls
    env.highlight = config.observation == "view"
    return env
