"""Full-state facts of a MiniGrid world, computed on request.

`state_hash` is the same in every process and on every backend: see `hash_words` and `state_words`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.world_object import Door, Lava, WorldObj

from rewardlab.facts import AHEAD, CARRYING, DOORS_OPEN, GRID, HELD, LAVA_BESIDE, PANORAMA, PICTURE, PLACE, STATE_HASH
from rewardlab.types import Array

if TYPE_CHECKING:
    from minigrid.minigrid_env import MiniGridEnv

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_EMPTY = OBJECT_TO_IDX["empty"]
_PICTURE = 400  # pixels of a picture's longer side, about


class StateHash:
    """64 bits of the full state: the grid with what boxes contain, the carried object, the agent's place and direction.

    Neither the step count nor the mission are part of it. The share of the grid is kept until a cell or a
    door changes, which is rare.
    """

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env
        self._cells: list[WorldObj | None] = []
        self._doors: list[Door] = []
        self._door_codes: list[int] = []
        self._grid_sum = 0

    def __call__(self) -> int:
        env, cells = self._env, self._env.grid.grid
        if cells != self._cells or [object_code(door) for door in self._doors] != self._door_codes:
            self._remember(cells)
        total = self._grid_sum
        for position, word in enumerate(_agent_words(env), start=len(cells)):
            total += _splitmix64(word + (position + 1) * _GOLDEN)
        return _signed(_splitmix64(total))

    def _remember(self, cells: list[WorldObj | None]) -> None:
        self._cells = list(cells)  # objects compare by identity, so equal lists hold the same objects
        self._doors = [cell for cell in cells if isinstance(cell, Door)]
        self._door_codes = [object_code(door) for door in self._doors]
        codes = np.array([object_code(cell) for cell in cells], np.uint64)
        self._grid_sum = int(_scrambled(codes).sum(dtype=np.uint64))


class AgentPosition:
    """The agent's cell: column, row."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> tuple[int, int]:
        column, row = self._env.agent_pos
        return int(column), int(row)


class FullGrid:
    """Object, colour and state of every cell, the agent with its direction in it: [W, H, 3], without noise."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> Array:
        env = self._env
        grid: Array = env.grid.encode()
        grid[env.agent_pos] = OBJECT_TO_IDX["agent"], COLOR_TO_IDX["red"], env.agent_dir
        return grid


class Panorama:
    """What the agent would see turning around on the spot, direction 0 first: [4, V, V, 3], without noise."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> Array:
        env, facing, views = self._env, self._env.agent_dir, []
        for direction in range(4):
            env.agent_dir = direction
            views.append(env.gen_obs()["image"])  # type: ignore[no-untyped-call]
        env.agent_dir = facing
        return np.stack(views)


class Picture:
    """Farama's picture of the whole grid, with the agent's view highlighted: [W * tile, H * tile, 3], to 255."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env
        self._tile = tile_size(env.width, env.height)

    def __call__(self) -> Array:
        frame: Array = self._env.get_frame(self._env.highlight, self._tile)
        return frame


class LavaBeside:
    """How many of the four cells around the agent are lava."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> int:
        column, row = self._env.agent_pos
        return sum(
            isinstance(self._env.grid.get(column + right, row + down), Lava)
            for right, down in ((-1, 0), (1, 0), (0, -1), (0, 1))
        )


class Carrying:
    """The number of the object that the agent carries; 0: none."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> int:
        carried = self._env.carrying
        return 0 if carried is None else int(carried.encode()[0])


class Held:
    """Kind, colour and state of the object that the agent carries; zeros: none."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> tuple[int, int, int]:
        carried = self._env.carrying
        return (0, 0, 0) if carried is None else carried.encode()


class Ahead:
    """Kind, colour and state of the cell that the agent faces."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> tuple[int, int, int]:
        cell = self._env.grid.get(*self._env.front_pos)
        return (_EMPTY, 0, 0) if cell is None else cell.encode()


class DoorsOpen:
    """How many doors are open."""

    def __init__(self, env: "MiniGridEnv") -> None:
        self._env = env

    def __call__(self) -> int:
        return sum(isinstance(cell, Door) and cell.is_open for cell in self._env.grid.grid)


def tile_size(width: int, height: int) -> int:
    """Pixels of a cell in a picture of a grid of this size."""
    return max(8, min(64, _PICTURE // max(width, height)))


FACTS: dict[str, Callable[["MiniGridEnv"], Callable[[], Any]]] = {
    STATE_HASH: StateHash,
    PLACE: AgentPosition,
    GRID: FullGrid,
    PANORAMA: Panorama,
    PICTURE: Picture,
    LAVA_BESIDE: LavaBeside,
    CARRYING: Carrying,
    HELD: Held,
    AHEAD: Ahead,
    DOORS_OPEN: DoorsOpen,
}


def state_words(env: "MiniGridEnv") -> Array:
    """uint64 [width * height + 6]: the cells row by row, the carried object, column, row, direction, width, height."""
    return np.array([*(object_code(cell) for cell in env.grid.grid), *_agent_words(env)], np.uint64)


def hash_words(words: Array) -> Array:
    """int64 [...]: a hash of uint64 words [..., K], each scrambled with its place and summed modulo 2^64.

    The scrambling is SplitMix64's finaliser (Steele et al. 2014, "Fast splittable pseudorandom number generators").
    """
    with np.errstate(over="ignore"):  # numpy wraps arrays silently, but warns of scalars
        hashed: Array = _splitmix64_array(_scrambled(words).sum(axis=-1, dtype=np.uint64)).view(np.int64)
    return hashed


def object_code(thing: WorldObj | None) -> int:
    """Four bits each of type, colour and state, then the same of what it contains."""
    if thing is None:
        return _EMPTY
    kind, colour, state = thing.encode()
    contents = object_code(thing.contains) if thing.contains is not None else 0
    return kind | colour << 4 | state << 8 | contents << 12


def _agent_words(env: "MiniGridEnv") -> tuple[int, ...]:
    column, row = env.agent_pos
    return object_code(env.carrying), int(column), int(row), int(env.agent_dir), env.width, env.height


def _scrambled(words: Array) -> Array:
    places = np.arange(1, words.shape[-1] + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    return _splitmix64_array(words + places)


def _splitmix64(word: int) -> int:
    word &= _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)


def _splitmix64_array(words: Array) -> Array:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: Array = words ^ (words >> np.uint64(31))
    return scrambled


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
