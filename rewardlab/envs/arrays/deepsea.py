"""DeepSea: a treasure at the end of N right moves in a row, each with a small cost; random play finds it with 2^-N.

Paper: Osband et al. 2020, Behaviour suite for reinforcement learning

An N x N grid; every step goes one row down and one column left or right, which of two actions means which is drawn once
for every cell. Moving right costs 0.01 / N; moving right in the last column pays 1, which only an episode without a
single left move reaches. Episodes last N steps; the best return is 0.99. With `env.deterministic=false` a right move
fails with probability 1 / N, and the two lower corners pay N(0, 1) besides.

What is seen is the number of the cell (row * N + column, N * N after the last row), which networks read as the one-hot
grid that the paper shows. An episode is solved when no left move was made on the diagonal; the paper calls the other
ones bad, and the task solved once fewer than 0.9 of all episodes so far are bad.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, fact_of_gap, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import BEST, GAP, PICTURE, STATE_HASH
from rewardlab.maths.counting import hash_rows
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Mdp, Obs, ObsSpec, TaskFacts

VERSION = 1
SUCCESS = "no left move on the diagonal"
MOVE_COST = 0.01  # of N right moves
_WATER, _TREASURE, _DIVER = (30, 60, 110), (230, 190, 40), (240, 240, 240)
_SIDE = 400  # pixels of a picture, about


@dataclass
class Config(OwnConfig):
    TELLS_GAP = True

    n: int = option(10, "rows and columns, and steps in an episode", minimum=2, maximum=50)
    deterministic: bool = option(True, "false: right moves fail now and then, and two corners pay noise")
    mapping: int = option(42, "seed of which action means right in each cell", minimum=0)
    frames: int = option(100_000, "default training budget of a run on it", above=0, in_setting=False)

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """A level is an episode's noise: without any, all are the same; with it, a few have a scale of their own."""
        return task if self.deterministic else super().facts_on(task, levels)

    def revision(self, setting: RootConfig) -> int:
        return 0 if self.deterministic else super().revision(setting)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "DeepSea":
    """N copies; a level is the seed of an episode's noise, and what actions mean is the same in all.

    Args:
        privileged: full-state facts to compute: gap, best, state_hash, picture.
    """
    random_return, optimal_return = returns(config.n, config.deterministic)
    spec = EnvSpec(
        id=f"DeepSea-{config.n}",
        obs={"cell": ObsSpec((1,), "int64", config.n * config.n)},
        action=ActionSpec(n=2),
        max_steps=config.n,
        task=TaskFacts(random_return, optimal_return, "exact", SUCCESS),
        backend="fast",
        privileged=(GAP, BEST, STATE_HASH, PICTURE),
        restorable=True,
        mdp=partial(whole, config.n, config.deterministic, config.mapping),
    )
    return DeepSea(config, spec, levels, privileged)


class DeepSea(ArrayEnv):
    """row, column: int64 [N]. bad: int64 [N], left moves on the diagonal. gap: float64 [N], of the step just taken."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._n, self._deterministic = config.n, config.deterministic
        self.right = meanings(config.n, config.mapping)
        self.arrays = {name: np.zeros(levels.num_envs, dtype=np.int64) for name in ("row", "column", "bad")}
        self.arrays["gap"] = np.zeros(levels.num_envs)
        self._gaps = gaps(config.n, config.deterministic)

    def begin(self, i: int, stream: np.random.Generator) -> None:
        for array in self.arrays.values():
            array[i] = 0

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        n, row, column, bad = self._n, self.arrays["row"], self.arrays["column"], self.arrays["bad"]
        right = action == self.right[row, column]
        self.arrays["gap"][:] = self._gaps[row, column, right.astype(np.int64)]
        reward = (right & (column == n - 1)) - right * (MOVE_COST / n)
        moves = np.where(right, 1, -1)
        if not self._deterministic:
            moves[right & ~np.array([stream.random() > 1.0 / n for stream in self.streams])] = 0
            for i in np.flatnonzero((row == n - 1) & ((column == 0) | (column == n - 1))).tolist():
                reward[i] += self.streams[i].standard_normal()
        bad |= ~right & (row == column)
        column[:] = np.clip(column + moves, 0, n - 1)
        row += 1
        ended = row == n
        return reward, ended, ended & (bad == 0)

    def observe(self) -> Obs:
        row, column = self.arrays["row"], self.arrays["column"]
        return {"cell": np.where(row < self._n, row * self._n + column, self._n * self._n)[:, None]}

    def fact(self, name: str) -> Array:
        row, column, gap = self.arrays["row"], self.arrays["column"], self.arrays["gap"]
        if name in (GAP, BEST):
            return fact_of_gap(name, gap)
        if name == STATE_HASH:
            return hash_rows(np.stack([row, column], axis=1))
        pixels = np.full((self.num_envs, self._n, self._n, 3), _WATER, dtype=np.uint8)
        pixels[:, -1, -1] = _TREASURE
        afloat = np.flatnonzero(row < self._n)
        pixels[afloat, row[afloat], column[afloat]] = _DIVER
        return pictured(pixels, _SIDE // self._n)


def meanings(n: int, mapping: int) -> Array:
    """int64 [n, n]: the action that means right in each cell."""
    return np.random.default_rng(mapping).integers(2, size=(n, n))


def whole(n: int, deterministic: bool, mapping: int) -> Mdp:
    """The task as tables over the numbers of its n * n + 1 cells, 2 actions; noise that is 0 on average is left out."""
    slip, states, right = 0.0 if deterministic else 1.0 / n, n * n + 1, meanings(n, mapping)
    chance, reward = np.zeros((states, 2, states)), np.zeros((states, 2))
    for row in range(n):
        for column in range(n):
            cell, to_right = row * n + column, int(right[row, column])
            reward[cell, to_right] = float(column == n - 1) - MOVE_COST / n
            if row + 1 < n:
                below = (row + 1) * n
                chance[cell, to_right, below + min(column + 1, n - 1)] += 1.0 - slip
                chance[cell, to_right, below + column] += slip
                chance[cell, 1 - to_right, below + max(column - 1, 0)] = 1.0
    return Mdp(chance, reward, np.eye(states)[0])


def returns(n: int, deterministic: bool) -> tuple[float, float]:
    """The mean returns of uniformly random actions and of the best policy, exactly: by backward induction."""
    random, best = np.zeros(n), np.zeros(n)
    for _ in range(n):
        random = _moves(n, deterministic, random).mean(axis=1)
        best = _moves(n, deterministic, best).max(axis=1)
    return float(random[0]), float(best[0])


def gaps(n: int, deterministic: bool) -> Array:
    """What a move costs, float64 [n, n, 2]: by row and column, the second of the two is the right one."""
    found, best = np.empty((n, n, 2)), np.zeros(n)
    for row in reversed(range(n)):
        worth = _moves(n, deterministic, best)
        best = worth.max(axis=1)
        found[row] = best[:, None] - worth
    return found


def _moves(n: int, deterministic: bool, below: Array) -> Array:
    """What moves to the left and to the right are worth, [n, 2], where the columns of the next row are, [n]."""
    slip, column = 0.0 if deterministic else 1.0 / n, np.arange(n)
    right = (column == n - 1) - MOVE_COST / n + (1.0 - slip) * below[np.minimum(column + 1, n - 1)] + slip * below
    return np.stack([below[np.maximum(column - 1, 0)], right], axis=1)
