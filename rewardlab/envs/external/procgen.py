"""Procgen, played by EnvPool: env=procgen_maze, or any game in any mode: env=procgen env.id=MazeEasy-v0.

Paper: Cobbe et al. 2020, Leveraging procedural generation to benchmark reinforcement learning (arXiv:1912.01588)

The exploration modes of eight games are one fixed level each: all episodes are that level, in training and in
evaluations, whatever the level seeds. There is nothing to generalise to. In the other modes (easy, hard, memory,
extreme) a level is its seed, modulo 2^31 - 1: Procgen's own number of a level, which fixes all that happens in it but
for the actions. EnvPool draws levels from a range that is set once, so that each copy is a pool of one, made anew for
every level. Completing a level pays 10 in most games. Death ends the episode, time up truncates it. EnvPool's last
observation of an episode is the true one. Its state cannot be saved: interrupted runs go on with new episodes. Needs
the extra `procgen`, and Qt 5 from the system (docs/suites/procgen.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
_ALL = (
    "Bigfish", "Bossfight", "Caveflyer", "Chaser", "Climber", "Coinrun", "Dodgeball", "Fruitbot", "Heist", "Jumper",
    "Leaper", "Maze", "Miner", "Ninja", "Plunder", "Starpilot",
)  # fmt: skip
_MODES = {
    "Exploration": ("Caveflyer", "Climber", "Coinrun", "Heist", "Jumper", "Leaper", "Maze", "Ninja"),
    "Easy": _ALL,
    "Hard": _ALL,
    "Memory": ("Caveflyer", "Dodgeball", "Heist", "Jumper", "Maze", "Miner"),
    "Extreme": ("Chaser", "Dodgeball", "Leaper", "Starpilot"),
}
GAMES = tuple(f"{game}{mode}-v0" for mode, games in _MODES.items() for game in games)
# Steps; of others 1,000. EnvPool states 1,000 for JumperMemory too, and plays 2,000.
_LIMITS = {"JumperMemory": 2000, "Leaper": 500, "Maze": 500, "Bigfish": 6000, "Bossfight": 4000, "Plunder": 4000}
_PAYS_ONCE = ("Coinrun", "Heist", "Jumper", "Leaper", "Maze", "Ninja")  # 10, where the level is completed
_SEEDS = 2**31 - 1  # of levels
# Mean returns of random play: docs/suites/procgen.md. In exploration modes it is paid nothing.
_RANDOM = {
    "CaveflyerEasy-v0": 2.30,
    "ClimberEasy-v0": 2.07,
    "CoinrunEasy-v0": 3.10,
    "HeistEasy-v0": 3.10,
    "JumperEasy-v0": 3.10,
    "LeaperEasy-v0": 3.00,
    "MazeEasy-v0": 4.00,
    "NinjaEasy-v0": 2.90,
    "CaveflyerMemory-v0": 0.30,
    "HeistMemory-v0": 1.30,
    "JumperMemory-v0": 1.00,
    "MazeMemory-v0": 2.80,
    "MinerMemory-v0": 1.05,
}
_QT = "apt-get install libqt5core5a libqt5gui5"


@dataclass
class Config(EnvConfig):
    MAY_BE_BOX = False

    id: str = option("MazeExploration-v0", f"GAME and mode, -v0; modes: {', '.join(_MODES)}")

    def validate(self) -> None:
        if find_spec("envpool") is None:
            raise UserError(f"env={self.name}: needs the package envpool; pip install 'rewardlab[procgen]'")
        check_levels(self.levels)
        if self.id not in GAMES:
            raise ValueError(str(unknown("id", self.id, GAMES, "game and mode of Procgen")))
        if self.one_level and self.levels != float("inf"):
            raise ValueError(f"levels={self.levels:g}: there is one level, whatever the seed; leave it out")
        if self.backend == "fast":
            raise ValueError("backend=fast: EnvPool's games are played; leave it out")

    @property
    def one_level(self) -> bool:
        return self.id.endswith("Exploration-v0")

    def picture(self) -> tuple[int, ...]:
        return (_SIDE, _SIDE)

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        return task if self.one_level else super().facts_on(task, levels)

    def level_keys(self, seeds: Sequence[int]) -> list[bytes]:
        return [b"" if self.one_level else str(_level(seed)).encode() for seed in seeds]

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Games":
    """N copies.

    Args:
        privileged: full-state facts to compute: picture.

    Raises:
        UserError: the games cannot be built here, or another fact is asked for.
    """
    game = next(name for name in _ALL if config.id.startswith(name))
    task = TaskFacts(_RANDOM.get(config.id), success="the level is completed")
    if config.one_level:
        task = replace(task, random_return=0.0, distinct_levels=1, seen_in_training=1.0, lowest_return=0.0)
    elif game in _PAYS_ONCE:
        task = replace(task, optimal_return=10.0, optimum_kind="bound", lowest_return=0.0)
    spec = EnvSpec(
        id=f"Procgen-{config.id}",
        obs={"image": ObsSpec((_SIDE, _SIDE, 3), "uint8", 255)},
        action=ActionSpec(n=15),
        max_steps=next((steps for name, steps in _LIMITS.items() if config.id.startswith(name)), 1000),
        task=task,
        privileged=(PICTURE,),
    )
    check_privileged(spec.id, privileged, spec.privileged)
    pools = _OneLevel(config.id, levels.num_envs) if config.one_level else _ManyLevels(config.id, levels.num_envs)
    return Games(pools, spec, levels, privileged)


class Games:
    """See `VecEnv`."""

    def __init__(
        self, pools: "_OneLevel | _ManyLevels", spec: EnvSpec, levels: Levels, privileged: Sequence[str]
    ) -> None:
        self.spec, self.num_envs = spec, levels.num_envs
        self._levels, self._drawn, self._pools = levels, bool(privileged), pools
        self._images: Array = np.zeros((levels.num_envs, _SIDE, _SIDE, 3), dtype=np.uint8)
        self._streams: list[np.random.Generator] = []

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew.

        Raises:
            ValueError: not one seed for each environment.
        """
        restarted = self._levels.restart(seeds)
        self._streams = [np.random.default_rng(seed) for seed in seeds]
        self._begin(np.ones(self.num_envs, dtype=bool), restarted)
        return {"image": self._images.copy()}

    def step(self, action: Array) -> StepBatch:
        """Step every environment, then reset those that ended."""
        shown, reward, terminated, truncated, completed = self._pools.step(action.astype(np.int32))
        self._images[:] = shown
        obs = next_obs = {"image": self._images.copy()}
        truncated = truncated & ~terminated
        done, successor = terminated | truncated, self.privileged()
        if done.any():
            # By itself a pool would begin a new episode in the next step, whose action would be lost.
            self._begin(done, self._levels.following(done))
            obs = {"image": self._images.copy()}
        success = done & completed
        return StepBatch(obs, next_obs, reward.astype(np.float32), terminated.copy(), truncated, success, successor)

    def _begin(self, fresh: Array, seeds: Sequence[int | None]) -> None:
        where = np.flatnonzero(fresh)
        drawn = [self._streams[i].integers(_SEEDS) if seeds[i] is None else seeds[i] for i in where.tolist()]
        self._images[where] = self._pools.begin(where, [_level(int(seed or 0)) for seed in drawn])

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
        self._pools.close()


class _OneLevel:
    """N copies of an exploration mode, in one pool."""

    def __init__(self, game: str, num_envs: int) -> None:
        self._pool = _pool(game, num_envs, min(num_envs, cores()))
        self._images: Array = np.zeros((num_envs, _SIDE, _SIDE, 3), dtype=np.uint8)

    def begin(self, where: Array, levels: Sequence[int]) -> Array:
        """Begin new episodes in environments `where`, int64 [B]; what is seen, uint8 [B, 64, 64, 3]."""
        first, told = self._pool.reset(where.astype(np.int32))
        self._images[told["env_id"]] = first
        return self._images[where]

    def step(self, action: Array) -> tuple[Array, Array, Array, Array, Array]:
        """What is seen, reward, terminated, truncated, and whether the level was completed, each [N, ...]."""
        shown, reward, terminated, truncated, info = self._pool.step(action)
        return shown, reward, terminated, truncated, info["prev_level_complete"] > 0

    def close(self) -> None:
        self._pool.close()


class _ManyLevels:
    """N copies of another mode, a pool each, which is made anew for a level; the methods are those of `_OneLevel`."""

    def __init__(self, game: str, num_envs: int) -> None:
        self._game = game
        self._pools = [_pool(game, 1, 1, start_level=0, num_levels=1) for _ in range(num_envs)]

    def begin(self, where: Array, levels: Sequence[int]) -> Array:
        for i, level in zip(where.tolist(), levels, strict=True):
            self._pools[i].close()
            self._pools[i] = _pool(self._game, 1, 1, start_level=level, num_levels=1)
        return np.concatenate([self._pools[i].reset()[0] for i in where.tolist()])

    def step(self, action: Array) -> tuple[Array, Array, Array, Array, Array]:
        told = [pool.step(action[i : i + 1]) for i, pool in enumerate(self._pools)]
        *columns, infos = zip(*told, strict=True)
        shown, reward, terminated, truncated = map(np.concatenate, columns)
        completed = np.concatenate([info["prev_level_complete"] for info in infos]) > 0
        return shown, reward, terminated, truncated, completed

    def close(self) -> None:
        for pool in self._pools:
            pool.close()


def _level(seed: int) -> int:
    """Procgen's own number of a level."""
    return seed % _SEEDS


def _pool(game: str, num_envs: int, threads: int, **given: int) -> Any:
    """Raises:
    UserError: EnvPool cannot be imported, or lacks what its games need.
    """
    try:
        import envpool

        given |= {"num_envs": num_envs, "num_threads": threads, "seed": 0}
        return envpool.make(game, env_type="gymnasium", channel_first=False, **given)
    except Exception as error:  # whatever a third party's import raises
        hint = f"; Procgen needs Qt 5: {_QT}" if "Qt" in str(error) else ""
        raise UserError(
            f"env=procgen: EnvPool's {game} cannot be built: {' '.join(str(error).split())}{hint}"
        ) from error
