"""Any environment registered with gymnasium that has discrete or box actions: env=gym env.id=CartPole-v1.

Vectors, numbers and nested spaces become one float32 `vector` (discrete parts as one-hot), a uint8 picture an `image`
with its channels last (`envs/external/vector_view.py`). Box actions are clipped to their bounds. What a success is,
gymnasium does not say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rewardlab.envs import registry
from rewardlab.envs.config import RegisteredConfig, check_privileged
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE
from rewardlab.schemas import option

if TYPE_CHECKING:
    from rewardlab.envs.levels import Levels
    from rewardlab.types import VecEnv

VERSION = 2


@dataclass
class Config(RegisteredConfig):
    channels: str = option(
        "auto",
        "where a picture's channels are; auto: where its smallest dimension is",
        choices=("auto", "first", "last"),
        neutral="auto",
    )

    def validate(self) -> None:
        super().validate()
        if self.id.startswith("MiniGrid-"):
            raise ValueError(f"id={self.id}: a MiniGrid task; use env=minigrid env.id={self.id}")


def make(config: Config, levels: "Levels", privileged: Sequence[str] = ()) -> "VecEnv":
    """N copies of the environment; a level is the seed of a reset.

    Args:
        privileged: full-state facts to compute: picture, where it can be drawn.

    Raises:
        UserError: it cannot be built, its spaces are not supported, or a fact is asked for.
    """
    from rewardlab.envs.external.reference import reference_env
    from rewardlab.envs.external.vector_view import View, viewed
    from rewardlab.envs.spaces import action_codec, obs_specs
    from rewardlab.types import EnvSpec

    bare = [registry.build(config.id) for _ in range(levels.num_envs)]
    offered = (PICTURE,) if "rgb_array" in bare[0].metadata.get("render_modes", ()) else ()
    check_privileged(config.id, privileged, offered)
    if privileged:  # only an environment made for it can be drawn
        bare = [registry.build(config.id, render_mode="rgb_array") for _ in range(levels.num_envs)]
    view = View(config.id, bare[0].observation_space, config.channels)
    worlds = [viewed(world, view) for world in bare]
    codec = action_codec(config.id, worlds[0].action_space)
    registered = bare[0].spec
    spec = EnvSpec(
        id=config.id,
        obs=obs_specs(worlds[0].observation_space),
        action=codec.spec,
        max_steps=registered.max_episode_steps if registered is not None else None,
        task=config.task_facts(success=None),
        privileged=offered,
        native=view,
    )
    facts = {name: [partial(picture_of, config.id, world) for world in bare] for name in privileged}
    return reference_env(worlds, spec, codec, levels, facts)


def picture_of(env_id: str, world: Any) -> Any:
    """uint8 [H, W, 3]."""
    try:
        return world.render()
    except Exception as error:  # whatever a third party's renderer raises
        reason = " ".join(str(error).split())
        hint = "; without a screen, set MUJOCO_GL=egl" if "OpenGL" in reason else ""
        raise UserError(f"env.id={env_id}: cannot be drawn: {type(error).__name__}: {reason}{hint}") from error
