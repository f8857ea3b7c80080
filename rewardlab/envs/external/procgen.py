"""Procgen's exploration modes: eight games, each of one fixed level (env=procgen_maze, env=procgen env.id=...).

Paper: Cobbe et al. 2020, Leveraging procedural generation to benchmark reinforcement learning (arXiv:1912.01588)

What is to be found pays 10 (in climber and caveflyer, something on the way pays too), and completes the level. Death
ends the episode, time up truncates it. All episodes are the same level, in training and in evaluations, whatever the
level seeds: there is nothing to generalise to. The games are played by EnvPool, whose last observation of an episode is
the true one. Its state cannot be saved: interrupted runs go on with new episodes. Needs the extra `procgen`, and Qt 5
from the system (docs/suites/procgen.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from rewardlab.envs.config import check_levels, check_privileged
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError, unknown
from rewardlab.facts import PICTURE
from rewardlab.machine import cores
from rewardlab.schemas import EnvConfig, RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, State, StepBatch, TaskFacts

VERSION = 1
_SIDE, _ENLARGED = 64, 4  # pixels; of pictures for people
_LIMITS = {"Leaper": 500, "Maze": 500}  # steps; of the others 1,000
GAMES = tuple(
    f"{game}Exploration-v0"
    for game in ("Caveflyer", "Climber", "Coinrun", "Heist", "Jumper", "Leaper", "Maze", "Ninja")
)
_QT = "apt-get install libqt5core5a libqt5gui5"


@dataclass
class Config(EnvConfig):
    MAY_BE_BOX = False

    id: str = option("MazeExploration-v0", f"the task: {', '.join(GAMES)}")

    def validate(self) -> None:
        if find_spec("envpool") is None:
            raise UserError(f"env={self.name}: needs the package envpool; pip install 'rewardlab[procgen]'")
        check_levels(self.levels)
        if self.levels != float("inf"):
            raise ValueError(f"levels={self.levels:g}: there is one level, whatever the seed; leave it out")
        if self.backend == "fast":
            raise ValueError("backend=fast: EnvPool's games are played; leave it out")
        if self.id not in GAMES:
            raise ValueError(str(unknown("id", self.id, GAMES, "exploration mode of Procgen")))

    def picture(self) -> tuple[int, ...]:
        return (_SIDE, _SIDE)

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """All levels are the same."""
        return task

    def level_keys(self, seeds: Sequence[int]) -> list[bytes]:
        return [self.id.encode()] * len(seeds)

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Games":
    """N copies.

    Args:
        privileged: full-state facts to compute: picture.

    Raises:
        UserError: the games cannot be built here, or another fact is asked for.
    """
    game = config.id.removesuffix("Exploration-v0")
    spec = EnvSpec(
        id=f"Procgen-{config.id}",
        obs={"image": ObsSpec((_SIDE, _SIDE, 3), "uint8", 255)},
        action=ActionSpec(n=15),
        max_steps=_LIMITS.get(game, 1000),
        task=TaskFacts(
            0.0, success="the level is completed", distinct_levels=1, seen_in_training=1.0, lowest_return=0.0
        ),
        privileged=(PICTURE,),
    )  # fmt: skip
    check_privileged(spec.id, privileged, spec.privileged)
    return Games(config.id, spec, levels, privileged)


class Games:
    """See `VecEnv`."""

    def __init__(self, game: str, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        self.spec, self.num_envs = spec, levels.num_envs
        self._levels, self._drawn = levels, bool(privileged)
        self._pool = _pool(game, levels.num_envs)
        self._images: Array = np.zeros((levels.num_envs, _SIDE, _SIDE, 3), dtype=np.uint8)

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew, in the one level that there is.

        Raises:
            ValueError: not one seed for each environment.
        """
        self._levels.restart(seeds)
        self._images[:] = self._pool.reset()[0]
        return {"image": self._images.copy()}

    def step(self, action: Array) -> StepBatch:
        """Step every environment, then reset those that ended."""
        shown, reward, terminated, truncated, info = self._pool.step(action.astype(np.int32))
        self._images[:] = shown
        obs = next_obs = {"image": self._images.copy()}
        truncated = truncated & ~terminated
        done, successor = terminated | truncated, self.privileged()
        if done.any():
            self._levels.following(done)
            # By itself the pool would begin a new episode in the next step, whose action would be lost.
            ended = np.flatnonzero(done).astype(np.int32)
            first, told = self._pool.reset(ended)
            self._images[told["env_id"]] = first
            obs = {"image": self._images.copy()}
        success = done & (info["prev_level_complete"] > 0)
        return StepBatch(obs, next_obs, reward.astype(np.float32), terminated.copy(), truncated, success, successor)

    def privileged(self) -> Obs:
        """Full-state facts of the current states."""
        if not self._drawn:
            return {}
        return {PICTURE: self._images.repeat(_ENLARGED, axis=1).repeat(_ENLARGED, axis=2)}

    def get_state(self) -> State:
        raise NotImplementedError

    def set_state(self, state: State) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._pool.close()


def _pool(game: str, num_envs: int) -> Any:
    """Raises:
    UserError: EnvPool cannot be imported, or lacks what its games need.
    """
    try:
        import envpool

        threads = min(num_envs, cores())
        return envpool.make(
            game, env_type="gymnasium", num_envs=num_envs, num_threads=threads, seed=0, channel_first=False
        )
    except Exception as error:  # whatever a third party's import raises
        hint = f"; Procgen needs Qt 5: {_QT}" if "Qt" in str(error) else ""
        raise UserError(
            f"env=procgen: EnvPool's {game} cannot be built: {' '.join(str(error).split())}{hint}"
        ) from error
