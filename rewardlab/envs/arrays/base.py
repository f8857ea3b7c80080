"""Small worlds whose whole state is a few numpy arrays: stepped together, restored exactly.

A world says how episodes begin, what an action does and what is seen (`ArrayEnv`); levels, resets, time limits and
saving are the same for all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import torch

from rewardlab.envs.config import check_privileged
from rewardlab.envs.levels import Levels
from rewardlab.facts import BEST, SIGHT
from rewardlab.maths.pictures import resized
from rewardlab.seeding import generator_state, set_generator_state
from rewardlab.types import Array, EnvSpec, Obs, State, StepBatch


class ArrayEnv(ABC):
    """N copies of a world. A subclass keeps its state in `self.arrays`, each [N, ...], and never elsewhere.

    Args:
        privileged: names of full-state facts to compute.
        levels: the seeds of resets.

    Attributes:
        arrays: the state; every entry is overwritten in place.
        streams: each environment's own generator; a level seeds it anew, and fixes all that happens in its episode.
        steps: int64 [N], taken in the running episodes.

    Raises:
        UserError: a fact is asked for that the world cannot give.
    """

    def __init__(self, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        check_privileged(spec.id, privileged, spec.privileged)
        assert spec.max_steps is not None and spec.restorable
        self.spec, self.num_envs = spec, levels.num_envs
        self.arrays: dict[str, Array] = {}
        self.streams: list[np.random.Generator] = []
        self.steps: Array = np.zeros(levels.num_envs, dtype=np.int64)
        self._limit, self._levels, self._asked = spec.max_steps, levels, tuple(privileged)
        self._privileged: Obs = {}

    @abstractmethod
    def begin(self, i: int, stream: np.random.Generator) -> None:
        """Write the first state of an episode of environment i."""

    @abstractmethod
    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        """Take actions int64 [N]: the reward [N], whether the task ended, and whether it is solved, bool [N]."""

    @abstractmethod
    def observe(self) -> Obs:
        """What is seen of the current states, in arrays of their own."""

    @abstractmethod
    def fact(self, name: str) -> Array:
        """A full-state fact of the current states, [N, ...]."""

    def drawn(self, state: Obs) -> Array:
        """Small pictures of B states, of which each array is [B, ...]: `facts.SIGHT`, where it is offered."""
        raise NotImplementedError

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew; environment i owns the random stream of seeds[i] from here on.

        Raises:
            ValueError: not one seed for each environment.
        """
        restarted = self._levels.restart(seeds)
        self.streams = [np.random.default_rng(seed) for seed in seeds]
        self._begin_all(np.ones(self.num_envs, dtype=bool), restarted)
        self._privileged = self._measure()
        return self.observe()

    def step(self, action: Array) -> StepBatch:
        """Step every environment, then reset those that ended."""
        reward, terminated, solved = self.advance(action)
        self.steps += 1
        truncated = self.steps >= self._limit
        done = terminated | truncated
        obs = next_obs = self.observe()
        successor = self._privileged = self._measure()
        if done.any():
            self._begin_all(done, self._levels.following(done))
            obs, self._privileged = self.observe(), self._measure()
        return StepBatch(obs, next_obs, reward.astype(np.float32), terminated, truncated, solved & done, successor)

    def privileged(self) -> Obs:
        """Full-state facts of the current states (after automatic resets), each [N, ...]."""
        return self._privileged

    def get_state(self) -> State:
        return {
            "arrays": {name: torch.from_numpy(array.copy()) for name, array in self.arrays.items()},
            "steps": torch.from_numpy(self.steps.copy()),
            "streams": [generator_state(stream) for stream in self.streams],
            "levels": self._levels.state_dict(),
        }

    def set_state(self, state: State) -> None:
        for name, array in self.arrays.items():
            array[:] = state["arrays"][name].cpu().numpy()
        self.steps[:] = state["steps"].cpu().numpy()
        for stream, saved in zip(self.streams, state["streams"], strict=True):
            set_generator_state(stream, saved)
        self._levels.load_state_dict(state["levels"])
        self._privileged = self._measure()

    def take_places(self, where: Array) -> Obs:
        """See `PlaceableEnv`; for worlds whose episodes draw nothing once they have begun."""
        return {name: array[where] for name, array in self.arrays.items()} | {"steps": self.steps[where]}

    def put_places(self, where: Array, places: Obs) -> Obs:
        for name, array in self.arrays.items():
            array[where] = places[name]
        self.steps[where] = places["steps"]
        self._privileged = self._measure()
        return self.observe()

    def close(self) -> None:
        self.streams.clear()

    def _begin_all(self, fresh: Array, seeds: Sequence[int | None]) -> None:
        for i in np.flatnonzero(fresh).tolist():
            level = seeds[i]
            if level is not None:
                self.streams[i] = np.random.default_rng(level)
            self.begin(i, self.streams[i])
        self.steps[fresh] = 0

    def _measure(self) -> Obs:
        return {name: self._sight() if name == SIGHT else self.fact(name) for name in self._asked}

    def _sight(self) -> Array:
        state = {name: array.copy() for name, array in self.arrays.items()}
        return cast(Array, Drawn(self.drawn, state, self.num_envs))


def fact_of_gap(name: str, gap: Array) -> Array:
    """`facts.GAP` or `facts.BEST`, [N], of the steps just taken, by what each cost: a best one costs nothing."""
    best: Array = (gap == 0.0).astype(np.int64)
    return best if name == BEST else gap.copy()


class Drawn:
    """N pictures that are drawn when they are looked at, all or some: an array as far as rows are concerned."""

    def __init__(self, draw: Callable[[Obs], Array], state: Obs, count: int) -> None:
        self._draw, self._state, self._count = draw, state, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rows: Any) -> Array:
        one = isinstance(rows, (int, np.integer))
        found = self._draw({name: array[[rows] if one else rows] for name, array in self._state.items()})
        return found[0] if one else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        found = self[:]
        return found if dtype is None else found.astype(dtype)


SIGHT_SIDE = 32  # pixels
_DOT, _RED = 2.0, (200.0, 40.0, 40.0)  # pixels from the middle to the edge of what moves in it, and its colour


@cache
def small(draw: Callable[[], Array]) -> Array:
    """What is behind all that moves, uint8 [32, 32, 3], of a large picture of it."""
    return resized(draw(), (SIGHT_SIDE, SIGHT_SIDE))


def dotted(background: Array, at: Array) -> Array:
    """Small pictures with a red dot each, uint8 [B, 32, 32, 3], its edge blended by how much of a pixel it covers.

    Args:
        background: uint8 [32, 32, 3].
        at: float [B, 2], column and row of the middles, as shares of the picture: 0 to 1.
    """
    middle = SIGHT_SIDE * at
    near = np.floor(middle - _DOT - 0.5).astype(np.int64)[..., None] + np.arange(int(2 * _DOT) + 3)  # [B, 2, W]: pixels
    gaps = near + 0.5 - middle[..., None]
    share = (_DOT + 0.5 - np.hypot(gaps[:, 0, None, :], gaps[:, 1, :, None])).clip(0.0, 1.0)  # [B, rows, columns]
    within = (near >= 0) & (near < SIGHT_SIDE)
    which, row, column = np.nonzero((share > 0) & within[:, 1, :, None] & within[:, 0, None, :])
    rows, columns, weight = near[which, 1, row], near[which, 0, column], share[which, row, column, None]
    pictures = background[None].repeat(len(at), axis=0)
    behind = pictures[which, rows, columns]
    pictures[which, rows, columns] = np.rint(behind + weight * (np.array(_RED) - behind)).astype(np.uint8)
    return pictures


def pictured(pixels: Array, size: int) -> Array:
    """uint8 [N, H * size, W * size, 3] of colours uint8 [N, H, W, 3], each a square with a line around it."""
    large = pixels.repeat(size, axis=1).repeat(size, axis=2)
    large[:, ::size], large[:, :, ::size] = 128, 128
    return large
