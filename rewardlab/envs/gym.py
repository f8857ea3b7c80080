"""Any environment registered with gymnasium that has discrete or box actions: env=gym env.id=CartPole-v1.

Vectors, numbers and nested spaces become one float32 `vector` (discrete parts as one-hot), uint8 pictures
stay an `image`. Box actions are clipped to their bounds. What a success is, gymnasium does not say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewardlab.envs import registry
from rewardlab.envs.config import RegisteredConfig, check_privileged

if TYPE_CHECKING:
    from rewardlab.types import VecEnv

VERSION = 1


@dataclass
class Config(RegisteredConfig):
    def validate(self) -> None:
        super().validate()
        if self.id.startswith("MiniGrid-"):
            raise ValueError(f"id={self.id}: a MiniGrid task; use env=minigrid env.id={self.id}")


def make(
    config: Config,
    num_envs: int,
    *,
    privileged: Sequence[str] = (),
    level_pool: Sequence[int] | None = None,
    level_lists: Sequence[Sequence[int]] | None = None,
) -> "VecEnv":
    """N copies of the environment; a level is the seed of a reset.

    Args:
        privileged: full-state facts to compute: it has none.
        level_pool: the level seeds to draw from at every reset.
        level_lists: for each environment, the level seeds that it plays in order, over and over.

    Raises:
        UserError: it cannot be built, its spaces are not supported, or a fact is asked for.
    """
    from rewardlab.envs.levels import Levels
    from rewardlab.envs.reference import reference_env
    from rewardlab.envs.spaces import action_codec, obs_specs
    from rewardlab.envs.vector_view import vector_view
    from rewardlab.types import EnvSpec

    check_privileged(config.id, privileged, ())
    bare = [registry.build(config.id) for _ in range(num_envs)]
    worlds = [vector_view(config.id, world) for world in bare]
    codec = action_codec(config.id, worlds[0].action_space)
    registered = bare[0].spec
    spec = EnvSpec(
        id=config.id,
        obs=obs_specs(worlds[0].observation_space),
        action=codec.spec,
        max_steps=registered.max_episode_steps if registered is not None else None,
        task=config.task_facts(success=None),
    )
    return reference_env(worlds, spec, codec, Levels(num_envs, level_pool, level_lists))
