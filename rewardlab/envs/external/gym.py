"""Any environment registered with gymnasium that has discrete or box actions: env=gym env.id=CartPole-v1.

Vectors, numbers and nested spaces become one float32 `vector` (discrete parts as one-hot), pictures an `image` with its
channels last, texts a `mission` of word tokens (`envs/external/vector_view.py`). Box actions are clipped to their
bounds; several discrete ones at once become one (`envs/external/combined_actions.py`). `env.noise` puts noise on what
is seen (`envs/noisy.py`), `env.distractors` appends numbers to it (`envs/distracted.py`). What a success is, gymnasium
does not say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rewardlab.envs.config import RegisteredConfig, check_privileged, distractors_option, noise_option
from rewardlab.envs.registry import is_nethack
from rewardlab.errors import UserError
from rewardlab.facts import PICTURE
from rewardlab.schemas import RootConfig, option

if TYPE_CHECKING:
    from rewardlab.envs.levels import Levels
    from rewardlab.types import Native, VecEnv

VERSION = 2


@dataclass
class Config(RegisteredConfig):
    channels: str = option(
        "auto",
        "where a picture's channels are; auto: where its smallest dimension is",
        choices=("auto", "first", "last"),
        neutral="auto",
    )

    grayscale: bool = option(False, "pictures in shades of grey: one channel in place of three", neutral=False)
    resize: str | None = option(
        "auto",
        "pictures of 84 x 84, or of 84x96 (height x width); null: as they are; auto: 84 where they are much larger",
        neutral="auto",
    )
    frame_stack: int = option(1, "latest observations that are shown at once", above=0, maximum=64, neutral=1)
    kwargs: dict[str, Any] = option({}, "arguments of gymnasium.make: env.kwargs.KEY=VALUE", neutral={}, any_key=True)
    wrappers: list[Any] = option(
        [], "gymnasium.wrappers by name, or MODULE:NAME, each alone or as {NAME: {KEY: VALUE}}", neutral=[]
    )
    noise: float = noise_option()
    distractors: int = distractors_option()
    processes: int = option(
        1, "worker processes that step the copies, for slow environments", above=0, maximum=1024, in_setting=False
    )

    def validate(self) -> None:
        from rewardlab.envs.external.making import check_wrappers
        from rewardlab.envs.external.prepared import size_of

        if is_nethack(self.id):
            name = self.id.rpartition(":")[2]
            raise ValueError(f"id={self.id}: a game of NetHack; use env=minihack env.id={name}")
        super().validate()
        if self.id.startswith("MiniGrid-"):
            raise ValueError(f"id={self.id}: a MiniGrid task; use env=minigrid env.id={self.id}")
        size_of(self.resize)
        check_wrappers(self.wrappers)

    def settle(self, setting: RootConfig) -> None:
        """What `auto` shrinks is named in the setting."""
        from rewardlab.envs.external.prepared import AUTO, resize_to

        if self.resize == AUTO:
            self.resize = resize_to(setting.env.shows())

    def picture(self) -> tuple[int, ...] | None:
        from rewardlab.envs.external.prepared import resize_to, size_of

        shape = self.shows()
        if shape is None:
            return None
        return size_of(self.resize) or size_of(resize_to(shape) if self.resize is not None else None) or shape[:2]

    def revision(self, setting: RootConfig) -> int:
        """1: pictures are read by convolutions, by reward schemes too. 2: texts are words; letters once."""
        from rewardlab.envs.external.making import shown_space
        from rewardlab.envs.external.texts import has_texts

        return super().revision(setting) + int(self.shows() is not None) + 2 * has_texts(shown_space(self))

    def shows(self) -> tuple[int, ...] | None:
        """[H, W, C] of the picture that the environment itself shows, where it shows one."""
        from rewardlab.envs.external.pictures import picture_shape

        return picture_shape(self, self.channels)


def make(config: Config, levels: "Levels", privileged: Sequence[str] = ()) -> "VecEnv":
    """N copies of the environment; a level is the seed of a reset.

    Args:
        privileged: full-state facts to compute: picture, where it can be drawn.

    Raises:
        UserError: it cannot be built, its spaces are not supported, or a fact is asked for.
    """
    from rewardlab.envs.distracted import distracted
    from rewardlab.envs.external.making import world
    from rewardlab.envs.external.reference import reference_env
    from rewardlab.envs.external.tables import whole_task
    from rewardlab.envs.noisy import noisy
    from rewardlab.envs.spaces import action_codec, obs_specs
    from rewardlab.types import EnvSpec

    probe = world(config)
    offered = (PICTURE,) if "rgb_array" in probe.metadata.get("render_modes", ()) else ()
    probe.close()
    check_privileged(config.id, privileged, offered)
    apart = config.processes > 1 and levels.num_envs > 1
    copies = copied_worlds(config, 1 if apart else levels.num_envs, privileged)
    codec = action_codec(config.id, copies.worlds[0].action_space)
    spec = EnvSpec(
        id=config.id,
        obs=obs_specs(copies.worlds[0].observation_space),
        action=codec.spec,
        max_steps=copies.max_steps,
        task=config.task_facts(success=None),
        privileged=offered,
        native=copies.native,
        mdp=None if config.wrappers or config.frame_stack > 1 else whole_task(copies.worlds[0]),
    )
    if not apart:
        env = reference_env(copies.worlds, spec, codec, levels, copies.facts, replayable=not config.wrappers)
        return distracted(noisy(env, config.noise, config.frame_stack), config.distractors)
    from rewardlab.envs.external.workers import Workers, worker_env

    copies.worlds[0].close()
    env = worker_env(Workers(config, config.processes, levels.num_envs, privileged), spec, codec, levels)
    return distracted(noisy(env, config.noise, config.frame_stack), config.distractors)


@dataclass
class Copies:
    """Copies of an environment that show and take what ours do.

    Attributes:
        facts: what computes each full-state fact that was asked for, for each of them.
        max_steps: their time limit, as gymnasium knows it.
        native: what they are made of.
    """

    worlds: list[Any]
    facts: dict[str, list[Any]]
    max_steps: int | None
    native: "Native | None"


def copied_worlds(config: Config, count: int, privileged: Sequence[str] = ()) -> Copies:
    """See `make`."""
    from rewardlab.envs.external.combined_actions import combined
    from rewardlab.envs.external.making import world
    from rewardlab.envs.external.prepared import Prepared, PreparedNative, preparation
    from rewardlab.envs.external.vector_view import View, viewed

    drawn = {"render_mode": "rgb_array"} if privileged else {}  # only an environment made for it can be drawn
    bare = [world(config, **drawn) for _ in range(count)]
    view = View(config.id, bare[0].observation_space, config.channels)
    worlds = [viewed(combined(config.id, each), view) for each in bare]
    prepared = preparation(config.id, view.ours, config.grayscale, config.resize, config.frame_stack)
    if prepared:
        worlds = [Prepared(each, prepared) for each in worlds]
    registered = bare[0].spec
    return Copies(
        worlds,
        facts={name: [partial(picture_of, config.id, each) for each in bare] for name in privileged},
        max_steps=registered.max_episode_steps if registered is not None else None,
        native=PreparedNative(view, prepared) if prepared else view,
    )


def picture_of(env_id: str, world: Any) -> Any:
    """uint8 [H, W, 3]."""
    try:
        return world.render()
    except Exception as error:  # whatever a third party's renderer raises
        reason = " ".join(str(error).split())
        hint = "; without a screen, set MUJOCO_GL=egl" if "OpenGL" in reason else ""
        raise UserError(f"env.id={env_id}: cannot be drawn: {type(error).__name__}: {reason}{hint}") from error
