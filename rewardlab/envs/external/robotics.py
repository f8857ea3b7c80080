"""Farama's robots with goals and sparse rewards: PointMaze, AntMaze, Fetch (env=robotics env.id=PointMaze_UMaze-v3).

Mazes pay 1 within 0.45 of the goal, Fetch's tasks -1 for every step that ends farther than 0.05 from it. With
`env.ends=true` reaching the goal ends the episode, which Farama's do not by default; without, it is to be kept until
time is up. Goals stay where they are within an episode. Needs the extra `robotics`.

vector: what Farama calls the observation. goal and achieved: coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict

from rewardlab.envs import registry
from rewardlab.envs.batched import BatchedEnv
from rewardlab.envs.config import RegisteredConfig, check_privileged
from rewardlab.envs.external.gym import picture_of
from rewardlab.envs.external.reference import reference_env
from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import action_codec, obs_specs
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE
from rewardlab.schemas import option
from rewardlab.types import Array, EnvSpec, GoalVecEnv, Obs, StepBatch

VERSION = 1
_ENTRIES = {"observation": "vector", "desired_goal": "goal", "achieved_goal": "achieved"}


@dataclass
class Config(RegisteredConfig):
    HAS_GOALS = True

    ends: bool = option(True, "whether reaching the goal ends the episode")

    def validate(self) -> None:
        if not registry.add_robotics():
            raise UserError(f"env={self.name}: needs the package gymnasium-robotics; pip install 'rewardlab[robotics]'")
        super().validate()
        if "Dense" in self.id:
            raise ValueError(f"id={self.id}: pays by distance; only tasks with a sparse reward have goals to reach")

    def example_id(self) -> str:
        return "PointMaze_UMaze-v3"


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> GoalVecEnv:
    """N copies of the environment; a level is the seed of a reset.

    Args:
        privileged: full-state facts to compute: picture.

    Raises:
        UserError: it cannot be built, has no goals, or another fact is asked for.
    """
    registry.add_robotics()
    check_privileged(config.id, privileged, (PICTURE,))
    drawn: dict[str, Any] = {"render_mode": "rgb_array"} if privileged else {}
    if "Maze" in config.id:  # a goal that is reached stays, and `ends` says whether the episode goes on
        drawn |= {"continuing_task": True, "reset_target": False}
    bare = [registry.build(config.id, **drawn) for _ in range(levels.num_envs)]
    worlds = [_GoalView(config, world) for world in bare]
    codec = action_codec(config.id, worlds[0].action_space)
    registered = bare[0].spec
    success = "the goal is reached" if config.ends else "the last step is at the goal"
    spec = EnvSpec(
        id=config.id,
        obs=obs_specs(worlds[0].observation_space),
        action=codec.spec,
        max_steps=registered.max_episode_steps if registered is not None else None,
        task=config.task_facts(success),
        privileged=(PICTURE,),
        goals=True,
        native=_Native(bare[0].observation_space),
    )
    facts = {name: [partial(picture_of, config.id, world) for world in bare] for name in privileged}
    batched = reference_env(worlds, spec, codec, levels, facts)
    return _Robots(batched, worlds[0])


class _Robots:
    """The vector environment with what its goals decide."""

    def __init__(self, env: BatchedEnv, world: "_GoalView") -> None:
        self.spec, self.num_envs, self._env, self._world = env.spec, env.num_envs, env, world
        self.reset, self.privileged, self.close = env.reset, env.privileged, env.close
        self.get_state, self.set_state = env.get_state, env.set_state

    def step(self, action: Array) -> StepBatch:
        batch = self._env.step(action)
        at_goal = self._world.at_goal(batch.next_obs["achieved"], batch.next_obs["goal"])
        return replace(batch, success=at_goal & (batch.terminated | batch.truncated))

    def goal_outcome(self, achieved: Array, desired: Array) -> tuple[Array, Array]:
        """See `GoalVecEnv`."""
        return self._world.outcome(achieved, desired)


class _GoalView(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Entries in our names, as float32; the reward and the end are decided on just these."""

    def __init__(self, config: Config, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        space = env.observation_space
        if not (isinstance(space, Dict) and set(_ENTRIES) <= set(space.spaces)):
            raise UserError(f"env.id={config.id}: shows no goals; use env=gym env.id={config.id}")
        self._ends = config.ends
        self.observation_space = Dict(
            {ours: Box(-np.inf, np.inf, space[theirs].shape or (), np.float32) for theirs, ours in _ENTRIES.items()}
        )

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        shown, infos = self.env.reset(**options)
        return _ours(shown), infos

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        shown, _, _, truncated, infos = self.env.step(action)
        obs = _ours(shown)
        reward, terminated = self.outcome(obs["achieved"][None], obs["goal"][None])
        return obs, float(reward[0]), bool(terminated[0]), truncated, infos

    def outcome(self, achieved: Array, desired: Array) -> tuple[Array, Array]:
        """Rewards float32 [B] and ends bool [B], by the task's own function of the two [B, G]."""
        reward = self._paid(achieved, desired)
        return reward, self.at_goal(achieved, desired) & self._ends

    def at_goal(self, achieved: Array, desired: Array) -> Array:
        """bool [B]: paid as much as at the goal itself."""
        there: Array = self._paid(achieved, desired) >= self._paid(desired, desired)
        return there

    def _paid(self, achieved: Array, desired: Array) -> Array:
        task: Any = self.env.unwrapped
        return np.asarray(task.compute_reward(achieved, desired, {}), dtype=np.float32)


@dataclass
class _Native:
    """See `Native`: all is renamed, nothing flattened."""

    space: Any

    def entries(self, shown: Any) -> Obs:
        return _ours(shown)


def _ours(shown: dict[str, Array]) -> dict[str, Array]:
    return {ours: np.asarray(shown[theirs], dtype=np.float32) for theirs, ours in _ENTRIES.items()}
