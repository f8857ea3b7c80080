"""The hard maze: a robot with range finders whose way to the goal leads away from it first

Paper: Lehman and Stanley 2011, Abandoning objectives: evolution through the search for novelty alone

Walls, start, goal, sensors and motion are those of the maze of uber-research/deep-neuroevolution (`maze.h`). The robot
sees 11 numbers: 1; how far the next wall is at -90, -45, 0, 45, 90 and 180 degrees of its heading, in hundreds, 1 at
the most; and one of four quarters in which the goal lies: ahead, left, behind or right. An action in [-1, 1]^2 asks for
a turn and a speed of up to 3 degrees and units a step, which change by 0.2 a step at most. It moves along the heading
that it had, then turns; a place nearer than 8 to a wall is not entered. Episodes last 400 steps. `env.pays=goal` pays 1
within 10 of the goal and ends there; `env.pays=distance` pays minus the distance to it at the end, which deceives.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, dotted, small
from rewardlab.envs.arrays.range_finders import nearest_walls, way_is_clear
from rewardlab.envs.config import OwnConfig, distractors_option, noise_option
from rewardlab.envs.distracted import distracted
from rewardlab.envs.levels import Levels
from rewardlab.envs.noisy import noisy
from rewardlab.facts import PICTURE, POSITION, SIGHT
from rewardlab.schemas import option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts, VecEnv

VERSION = 1
SUCCESS = "within 10 of the goal"
STEPS, START, GOAL, REACH = 400, (36.0, 184.0), (31.0, 20.0), 10.0
WALLS = np.array([
    [41, 5, 3, 8], [3, 8, 4, 49], [4, 49, 57, 53], [4, 49, 7, 202], [7, 202, 195, 198], [195, 198, 186, 8],
    [186, 8, 39, 5], [56, 54, 56, 157], [57, 106, 158, 162], [77, 201, 108, 164], [6, 80, 33, 121],
    [192, 146, 87, 91], [56, 55, 133, 30],
], dtype=np.float64)  # fmt: skip  # from x, y to x, y
_ANGLES = np.array([-90.0, -45.0, 0.0, 45.0, 90.0, 180.0])
_SEES, _SIZE, _FASTEST, _CHANGE = 100.0, 8.0, 3.0, 0.2
_BOUNDS = ((0.0, 0.0), (200.0, 205.0))
_PIXELS = 210


@dataclass
class Config(OwnConfig):
    MAY_BE_BOX = True

    pays: str = option("goal", "1 at the goal, or minus the distance to it at the end", choices=("goal", "distance"))
    noise: float = noise_option()
    distractors: int = distractors_option()
    frames: int = option(4_000_000, "default training budget of a run on it", above=0, in_setting=False)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> VecEnv:
    """N copies; all levels are the same.

    Args:
        privileged: full-state facts to compute: position, picture, sight.
    """
    kind = "exact" if config.pays == "goal" else "bound"
    farthest = max(math.dist(GOAL, corner) for corner in itertools.product(*zip(*_BOUNDS, strict=True)))
    spec = EnvSpec(
        id="HardMaze",
        obs={"vector": ObsSpec((11,), "float32", bounds=((0.0,) * 11, (1.0,) * 11))},
        action=ActionSpec(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
        max_steps=STEPS,
        task=TaskFacts(
            0.0 if config.pays == "goal" else None,  # random actions: none of 10,000 episodes
            1.0 if config.pays == "goal" else 0.0,
            kind,
            SUCCESS,
            distinct_levels=1,
            seen_in_training=1.0,
            lowest_return=0.0 if config.pays == "goal" else -farthest,
        ),
        backend="fast",
        privileged=(POSITION, PICTURE, SIGHT),
        restorable=True,
        place=_BOUNDS,
        downwards=True,
    )
    return distracted(noisy(HardMaze(config, spec, levels, privileged), config.noise), config.distractors)


class HardMaze(ArrayEnv):
    """at: float64 [N, 2]; heading, turn, speed: float64 [N], degrees, degrees a step, units a step."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._pays = config.pays
        numbers = {name: np.zeros(levels.num_envs) for name in ("heading", "turn", "speed")}
        self.arrays = {"at": np.zeros((levels.num_envs, 2)), **numbers}

    def begin(self, i: int, stream: np.random.Generator) -> None:
        for name, array in self.arrays.items():
            array[i] = START if name == "at" else 0.0

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        at, heading = self.arrays["at"], self.arrays["heading"]
        wanted = _FASTEST * action.astype(np.float64).clip(-1.0, 1.0)
        for name, aim in (("turn", wanted[:, 0]), ("speed", wanted[:, 1])):
            held = self.arrays[name]
            held[:] = (held + (aim - held).clip(-_CHANGE, _CHANGE)).clip(-_FASTEST, _FASTEST)
        angle = np.deg2rad(heading)
        ahead = at + self.arrays["speed"][:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        at[:] = np.where(way_is_clear(ahead, WALLS, _SIZE)[:, None], ahead, at)
        heading[:] = (heading + self.arrays["turn"]) % 360.0
        distance = np.hypot(*(at - np.array(GOAL)).T)
        there = distance < REACH
        if self._pays == "goal":
            return there * 1.0, there, there
        last = self.steps + 1 >= STEPS
        return np.where(last, -distance, 0.0), np.zeros(self.num_envs, dtype=bool), there

    def observe(self) -> Obs:
        at, heading = self.arrays["at"], self.arrays["heading"]
        seen = np.zeros((self.num_envs, 11), dtype=np.float32)
        seen[:, 0] = 1.0
        angles = np.deg2rad(heading[:, None] + _ANGLES)
        seen[:, 1:7] = nearest_walls(at, angles, WALLS, _SEES) / _SEES
        toward = np.rad2deg(np.arctan2(GOAL[1] - at[:, 1], GOAL[0] - at[:, 0])) - heading
        quarter = ((toward + 45.0) % 360.0 // 90.0).astype(np.int64)
        seen[np.arange(self.num_envs), 7 + quarter.clip(0, 3)] = 1.0
        return {"vector": seen}

    def fact(self, name: str) -> Array:
        at = self.arrays["at"]
        if name == POSITION:
            return at.astype(np.float32)
        return _pictures(at, self.arrays["heading"])

    def drawn(self, state: Obs) -> Array:
        return dotted(small(_maze), state["at"] / _PIXELS)


def _maze() -> Array:
    """Walls, and the goal in green: uint8 [H, W, 3]."""
    blank = np.full((_PIXELS, _PIXELS, 3), 245, dtype=np.uint8)
    for x1, y1, x2, y2 in WALLS:
        count = int(2 * math.hypot(x2 - x1, y2 - y1))
        columns, rows = (np.linspace(a, b, count).round().astype(int) for a, b in ((x1, x2), (y1, y2)))
        blank[rows, columns] = 40
    rows, columns = np.mgrid[:_PIXELS, :_PIXELS]
    blank[(columns - GOAL[0]) ** 2 + (rows - GOAL[1]) ** 2 < REACH**2] = (60, 150, 80)
    return blank


def _pictures(at: Array, heading: Array) -> Array:
    """uint8 [N, H, W, 3]: the maze, robots in red with their headings."""
    rows, columns = np.mgrid[:_PIXELS, :_PIXELS]
    pictures = _maze()[None].repeat(len(at), axis=0)
    for i, ((x, y), angle) in enumerate(zip(at, np.deg2rad(heading), strict=True)):
        pictures[i][(columns - x) ** 2 + (rows - y) ** 2 < _SIZE**2] = (200, 40, 40)
        nose = (x + np.cos(angle) * np.arange(_SIZE), y + np.sin(angle) * np.arange(_SIZE))
        pictures[i][nose[1].round().astype(int), nose[0].round().astype(int)] = 255
    return pictures
