"""ViZDoom's MyWayHome: find the armour in a maze of eight rooms, seen from within (env=vizdoom).

Paper: Kempka et al. 2016, ViZDoom: a Doom-based AI research platform (arXiv:1605.02097)

The armour pays 1, every tic before it costs 0.0001, and time is up after 2,100 tics. An episode begins in one of 17
places, as its level's seed says. It is the package's own scenario, played by its own game: EnvPool's task of this name
pays otherwise (docs/suites/vizdoom.md). An action is held for 4 tics (env.kwargs.frame_skip). Reaching the armour
terminates and time up truncates; the package says of both that they terminate. The game has no picture of its last
state: what is shown then is the last that there was. Needs the extra `vizdoom`.
"""

import atexit
import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from rewardlab.envs.external import gym
from rewardlab.errors import UserError
from rewardlab.schemas import option
from rewardlab.types import Array, EnvSpec, TaskFacts

if TYPE_CHECKING:
    from rewardlab.envs.levels import Levels
    from rewardlab.types import StepBatch, VecEnv

VERSION = 1
_ID = "VizdoomHome-v0"
_TICS = 2100  # of an episode
_HEIGHT, _WIDTH = 120, 160


@dataclass
class Config(gym.Config):
    MAY_BE_BOX = False

    id: str = option(_ID, "the task; there is no other")
    grayscale: bool = option(True, "pictures in shades of grey: one channel in place of three")
    frame_stack: int = option(4, "latest observations that are shown at once", above=0, maximum=64)

    def validate(self) -> None:
        if find_spec("vizdoom") is None:
            raise UserError("env=vizdoom: needs the package vizdoom; pip install 'rewardlab[vizdoom]'")
        if self.id != _ID:
            raise ValueError(f"id={self.id}: no such task (allowed: {_ID})")
        super().validate()


def make(config: Config, levels: "Levels", privileged: Sequence[str] = ()) -> "VecEnv":
    """N games; a level is the seed of a game.

    Raises:
        UserError: see `gym.make`.
    """
    env = gym.make(config, levels, privileged)
    skip = int(config.kwargs.get("frame_skip", Home.FRAME_SKIP))
    spec = replace(
        env.spec,
        max_steps=-(-_TICS // skip),
        task=TaskFacts(config.random_return, config.optimal_return, config.optimum_kind, "the armour is reached"),
    )
    return _Solved(env, spec)


class _Solved:
    """The vector environment, with what success is."""

    def __init__(self, env: "VecEnv", spec: EnvSpec) -> None:
        self.spec, self.num_envs, self._env = spec, env.num_envs, env
        self.reset, self.privileged, self.close = env.reset, env.privileged, env.close
        self.get_state, self.set_state = env.get_state, env.set_state

    def step(self, action: Array) -> "StepBatch":
        batch = self._env.step(action)
        return replace(batch, success=batch.terminated)  # the armour may be paid a step before it ends the game


class Home(gymnasium.Env[Any, Any]):
    """One game. It begins in a temporary folder, since it writes into the one that it begins in."""

    FRAME_SKIP = 4
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # gymnasium's own name

    def __init__(self, frame_skip: int = FRAME_SKIP, render_mode: str | None = None) -> None:
        import vizdoom

        if frame_skip < 1:
            raise ValueError(f"frame_skip={frame_skip}: must be at least 1")
        self.render_mode, self._skip = render_mode, frame_skip
        self._folder = tempfile.TemporaryDirectory()
        self._game = game = vizdoom.DoomGame()
        game.load_config(str(Path(vizdoom.scenarios_path) / "my_way_home.cfg"))
        game.set_doom_config_path(str(Path(self._folder.name) / "vizdoom.ini"))
        game.set_window_visible(False)
        game.set_screen_resolution(vizdoom.ScreenResolution.RES_160X120)
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        buttons = game.get_available_buttons_size()
        self._pressed = [[0.0] * buttons, *np.eye(buttons).tolist()]
        self.observation_space = Box(0, 255, (_HEIGHT, _WIDTH, 3), np.uint8)
        self.action_space = Discrete(1 + buttons)
        self._shown: Array = np.zeros((_HEIGHT, _WIDTH, 3), dtype=np.uint8)
        atexit.register(self.close)  # a game that ends after its folder complains that it cannot save its settings

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._game.set_seed(int(self.np_random.integers(2**32)))
        if self._game.is_running():
            self._game.new_episode()
        else:
            with contextlib.chdir(self._folder.name):
                self._game.init()
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = float(self._game.make_action(self._pressed[int(action)], self._skip))
        over = self._game.is_episode_finished()
        found = over and not self._game.is_episode_timeout_reached()
        return self._seen(), reward, found, over and not found, {}

    def render(self) -> Array:
        return self._shown.repeat(3, axis=0).repeat(3, axis=1)

    def close(self) -> None:
        atexit.unregister(self.close)
        self._game.close()
        self._folder.cleanup()

    def _seen(self) -> Array:
        state = self._game.get_state()
        if state is not None:
            self._shown = np.array(state.screen_buffer, dtype=np.uint8)
        return self._shown


gymnasium.register(_ID, entry_point=f"{__name__}:Home", disable_env_checker=True)
