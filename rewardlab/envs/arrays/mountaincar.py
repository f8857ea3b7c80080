"""MountainCar with a continuous engine, paid at the goal alone: the car must swing up the other side first

Paper: Moore 1990, Efficient memory-based learning for robot control; rewards as in Paolo et al. 2021 (SERENE)

v += 0.0015 a - 0.0025 cos(3 x), |v| at most 0.07, x within -1.2 and 0.6, where the left end stops the car. Episodes
begin at rest with x uniform in [-0.6, -0.4], and last 999 steps. x >= 0.45 pays 1 and ends. Farama's
MountainCarContinuous-v0 pays 100 there and takes 0.1 a^2 a step, which makes standing still a trap; `env.cost` takes
that share of a^2 too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, dotted, small
from rewardlab.envs.config import OwnConfig, distractors_option, noise_option
from rewardlab.envs.distracted import distracted
from rewardlab.envs.levels import Levels
from rewardlab.envs.noisy import noisy
from rewardlab.facts import PICTURE, POSITION, SIGHT
from rewardlab.schemas import option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts, VecEnv

VERSION = 1
SUCCESS = "the flag is reached"
STEPS, GOAL = 999, 0.45
_LOW, _HIGH, _FASTEST = -1.2, 0.6, 0.07
_HEIGHT, _WIDTH = 160, 240  # pixels of a picture


@dataclass
class Config(OwnConfig):
    MAY_BE_BOX = True

    cost: float = option(0.0, "what a step costs, times the square of the action", minimum=0)
    noise: float = noise_option()
    distractors: int = distractors_option()
    frames: int = option(1_000_000, "default training budget of a run on it", above=0, in_setting=False)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> VecEnv:
    """N copies; a level is where the car starts.

    Args:
        privileged: full-state facts to compute: position, picture, sight.
    """
    bounds = ((_LOW, -_FASTEST), (_HIGH, _FASTEST))
    spec = EnvSpec(
        id="MountainCar",
        obs={"vector": ObsSpec((2,), "float32", bounds=bounds)},
        action=ActionSpec(shape=(1,), low=(-1.0,), high=(1.0,)),
        max_steps=STEPS,
        task=TaskFacts(
            0.0 if config.cost == 0 else None,
            1.0,
            "exact" if config.cost == 0 else "bound",
            SUCCESS,
            lowest_return=-config.cost * STEPS,
        ),
        backend="fast",
        privileged=(POSITION, PICTURE, SIGHT),
        restorable=True,
        place=bounds,
    )
    return distracted(noisy(MountainCar(config, spec, levels, privileged), config.noise), config.distractors)


class MountainCar(ArrayEnv):
    """state: float64 [N, 2], place and speed."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._cost = config.cost
        self.arrays = {"state": np.zeros((levels.num_envs, 2))}

    def begin(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["state"][i] = stream.uniform(-0.6, -0.4), 0.0

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        place, speed = self.arrays["state"].T
        push = action[:, 0].astype(np.float64).clip(-1.0, 1.0)
        speed[:] = (speed + 0.0015 * push - 0.0025 * np.cos(3 * place)).clip(-_FASTEST, _FASTEST)
        place[:] = (place + speed).clip(_LOW, _HIGH)
        speed[(place == _LOW) & (speed < 0)] = 0.0
        there = place >= GOAL
        return there - self._cost * push * push, there, there

    def observe(self) -> Obs:
        return {"vector": self.arrays["state"].astype(np.float32)}

    def fact(self, name: str) -> Array:
        state = self.arrays["state"]
        if name == POSITION:
            return state.astype(np.float32)
        pictures = _valley()[None].repeat(self.num_envs, axis=0)
        x = np.linspace(_LOW, _HIGH, _WIDTH)
        hill = _row(x)
        columns = np.searchsorted(x, state[:, 0]).clip(4, _WIDTH - 5)
        for i, column in enumerate(columns.tolist()):
            pictures[i, hill[column] - 8 : hill[column], column - 4 : column + 5] = (200, 40, 40)
        return pictures

    def drawn(self, state: Obs) -> Array:
        place = state["state"][:, 0]
        across, down = (place - _LOW) / (_HIGH - _LOW), _row(place) / _HEIGHT
        return dotted(small(_valley), np.stack([across, down], axis=1))


def _valley() -> Array:
    """The hills and the flag, uint8 [H, W, 3]."""
    picture = np.full((_HEIGHT, _WIDTH, 3), 245, dtype=np.uint8)
    x = np.linspace(_LOW, _HIGH, _WIDTH)
    hill = _row(x)
    picture[np.arange(_HEIGHT)[:, None] >= hill] = (150, 140, 120)
    flag = int(np.searchsorted(x, GOAL))
    picture[hill[flag] - 25 : hill[flag], flag : flag + 2] = (60, 150, 80)
    return picture


def _row(x: Array) -> Array:
    """The row of a picture at which the ground begins."""
    rows: Array = _HEIGHT - 12 - (0.45 * np.sin(3 * x) + 0.55) * (_HEIGHT - 60)
    return rows.astype(np.int64)
