"""PointPlane: a point on a square with four small boxes that pay, of which an episode counts the first one entered

Paper: Paolo et al. 2021, Sparse reward exploration via novelty search and emitters (SERENE; arXiv:2102.03140)

The point starts in the middle and sees where it is. A step moves it by 0.05 times the action, within the square. Every
step in a box pays 1, but only in the box that was entered first. Episodes last 50 steps. An episode that entered a box
is solved. The best return is that of the nearest box: as many steps as are left once it is entered. With `box=K` there
is only that one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

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
SUCCESS = "a box was entered"
STEPS, STEP = 50, 0.05
AREAS = np.array([
    [[0.75, 0.8], [0.75, 0.8]],
    [[-0.98, -0.93], [0.9, 0.95]],
    [[0.0, 0.05], [-0.75, -0.7]],
    [[-0.75, -0.7], [-0.05, 0.0]],
])  # fmt: skip  # x and y from, to
_SIDE = 240  # pixels of a picture
_BOUNDS = ((-1.0, -1.0), (1.0, 1.0))


@dataclass
class Config(OwnConfig):
    MAY_BE_BOX = True

    box: int | None = option(None, "the only box that there is, 0 to 3; null: all", minimum=0, maximum=3, neutral=None)
    noise: float = noise_option()
    distractors: int = distractors_option()
    frames: int = option(1_000_000, "default training budget of a run on it", above=0, in_setting=False)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> VecEnv:
    """N copies; all levels are the same.

    Args:
        privileged: full-state facts to compute: position, picture, sight.
    """
    spec = EnvSpec(
        id="PointPlane",
        obs={"vector": ObsSpec((2,), "float32", bounds=_BOUNDS)},
        action=ActionSpec(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
        max_steps=STEPS,
        task=TaskFacts(
            None, best_return(config.box), "exact", SUCCESS, distinct_levels=1, seen_in_training=1.0, lowest_return=0.0
        ),
        backend="fast",
        privileged=(POSITION, PICTURE, SIGHT),
        restorable=True,
        place=_BOUNDS,
    )
    return distracted(noisy(PointPlane(spec, levels, privileged, config.box), config.noise), config.distractors)


class PointPlane(ArrayEnv):
    """at: float64 [N, 2]; area: int64 [N], the box that was entered first, -1 before."""

    def __init__(self, spec: EnvSpec, levels: Levels, privileged: Sequence[str], box: int | None) -> None:
        super().__init__(spec, levels, privileged)
        self._areas, self._plane = _areas(box), _plane(box)
        self.arrays = {
            "at": np.zeros((levels.num_envs, 2)),
            "area": np.full(levels.num_envs, -1, dtype=np.int64),
        }

    def begin(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["at"][i], self.arrays["area"][i] = 0.0, -1

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        at, area = self.arrays["at"], self.arrays["area"]
        at[:] = (at + STEP * action.astype(np.float64).clip(-1.0, 1.0)).clip(-1.0, 1.0)
        within: Array = (at[:, None] >= self._areas[..., 0]) & (at[:, None] <= self._areas[..., 1])
        inside: Array = np.logical_and.reduce(within, axis=2)
        area[:] = np.where((area < 0) & inside.any(axis=1), inside.argmax(axis=1), area)
        entered = area >= 0
        reward = entered & inside[np.arange(self.num_envs), area]
        return reward.astype(np.float64), np.zeros(self.num_envs, dtype=bool), entered.copy()

    def observe(self) -> Obs:
        return {"vector": self.arrays["at"].astype(np.float32)}

    def fact(self, name: str) -> Array:
        at = self.arrays["at"]
        if name == POSITION:
            return at.astype(np.float32)
        pictures = self._plane()[None].repeat(self.num_envs, axis=0)
        columns, rows = _pixel(at).T
        for i, (column, row) in enumerate(zip(columns.tolist(), rows.tolist(), strict=True)):
            pictures[i, max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4] = (200, 40, 40)
        return pictures

    def drawn(self, state: Obs) -> Array:
        return dotted(small(self._plane), (1.0 + state["at"] * (1.0, -1.0)) / 2.0)


def _areas(box: int | None) -> Array:
    found: Array = AREAS if box is None else AREAS[box : box + 1]
    return found


@cache
def _plane(box: int | None) -> Callable[[], Array]:
    """What draws the square and its boxes."""
    return partial(_drawn, box)


def _drawn(box: int | None) -> Array:
    """The square and its boxes, uint8 [H, W, 3]."""
    picture = np.full((_SIDE, _SIDE, 3), 240, dtype=np.uint8)
    for (left, right), (low, high) in _areas(box):
        (a, d), (b, c) = _pixel(np.array([left, low])), _pixel(np.array([right, high]))
        picture[c : d + 1, a : b + 1] = (60, 150, 80)
    return picture


def best_return(box: int | None = None) -> float:
    """Of the nearest box, straight there: steps that are left when it is reached, the one that enters it included."""
    areas = _areas(box)
    nearest = np.abs(np.clip(0.0, areas[..., 0], areas[..., 1])).max(axis=1).min()
    return float(STEPS - math.ceil(nearest / STEP - 1e-9) + 1)


def _pixel(at: Array) -> Array:
    """Columns and rows [..., 2] of places [..., 2]."""
    found: Array = np.stack([(at[..., 0] + 1) / 2, (1 - at[..., 1]) / 2], axis=-1) * (_SIDE - 1)
    return found.round().astype(np.int64)
