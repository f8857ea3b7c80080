"""Which level an environment plays at each reset: a new one, one of a pool, or the next of a list.

A level is the seed of a reset; it fixes the randomness of the whole episode, not of the first frame only.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rewardlab.gridworld.batch import World
from rewardlab.seeding import generator_state, set_generator_state, set_stream_words, stream_words
from rewardlab.types import Array, State

_STREAM = zlib.crc32(b"level_pool")


class Levels:
    """The seeds of the coming resets of N environments.

    Args:
        pool: level seeds of which every reset draws one, with a random stream of each environment's own.
        lists: for each environment, the level seeds that it plays in order, and then again from the first.

    Without either, every environment goes on with its own random stream.

    With `repeated`, only every so many-th reset has a level: the ones between are for whoever puts back what the level
    began with.

    Attributes:
        current: int64 [N], the seed of each environment's level; -1 without pool and lists.

    Raises:
        ValueError: a pool and lists at once, either empty, or not one list for each environment.
    """

    def __init__(
        self, num_envs: int, pool: Sequence[int] | None = None, lists: Sequence[Sequence[int]] | None = None
    ) -> None:
        if pool is not None and lists is not None:
            raise ValueError("pool and lists exclude each other")
        if pool is not None and not len(pool):
            raise ValueError("pool is empty")
        if lists is not None and (len(lists) != num_envs or not all(len(levels) for levels in lists)):
            raise ValueError(f"lists must hold {num_envs} lists, none of them empty")
        self.num_envs = num_envs
        self._pool, self._lists = pool, lists
        self._streams: list[np.random.Generator] = []
        self._next = [0] * num_envs
        self._repeats, self._turn = 1, [0] * num_envs
        self.current = np.full(num_envs, -1)

    def part(self, start: int, stop: int) -> "Levels":
        """Those of some environments that are next to one another, before the first `restart`."""
        lists = None if self._lists is None else self._lists[start:stop]
        return Levels(stop - start, self._pool, lists)

    def repeated(self, times: int) -> "Levels":
        """The same, of which each is for so many resets in a row, before the first `restart`."""
        found = Levels(self.num_envs, self._pool, self._lists)
        found._repeats = times
        return found

    def restart(self, seeds: Sequence[int]) -> list[int | None]:
        """The seeds of a reset of all: lists begin anew whatever `seeds`, pools draw with streams seeded by them."""
        if len(seeds) != len(self._next):
            raise ValueError(f"{len(seeds)} seeds for {len(self._next)} environments")
        self._turn = [0] * len(seeds)
        if self._pool is None and self._lists is None:
            return [int(seed) for seed in seeds]
        self._streams = [np.random.default_rng([seed, _STREAM]) for seed in seeds]
        self._next = [0] * len(seeds)
        return self._drawn(np.ones(len(seeds), dtype=bool))

    def following(self, ended: Array) -> list[int | None]:
        """The seeds of a reset of those that ended, bool [N]; None goes on with the environment's own stream."""
        if self._repeats > 1:
            ended = ended.copy()
            for i in np.flatnonzero(ended).tolist():
                self._turn[i] = (self._turn[i] + 1) % self._repeats
                ended[i] = self._turn[i] == 0
        return self._drawn(ended)

    def _drawn(self, ended: Array) -> list[int | None]:
        drawn = [self._draw(i) if ended[i] else None for i in range(len(ended))]
        known = np.array([-1 if level is None else level for level in drawn])
        self.current = np.where(ended, known, self.current)
        return drawn

    def state_dict(self) -> State:
        streams = [generator_state(stream) for stream in self._streams]
        turns = {"turn": list(self._turn)} if self._repeats > 1 else {}
        return {"next": list(self._next), "streams": streams, "current": self.current.tolist()} | turns

    def load_state_dict(self, state: State) -> None:
        """Restore what `state_dict` returned, after a `restart`."""
        self._next = list(state["next"])
        self._turn = list(state.get("turn", self._turn))
        self.current = np.array(state.get("current", [-1] * self.num_envs))  # once it was not kept
        for stream, saved in zip(self._streams, state["streams"], strict=True):
            set_generator_state(stream, saved)

    def lend(self, world: World) -> World:
        """The engine's arrays, with which its kernels draw what `following` would; then `take_back`."""
        if self._pool is None:
            return world
        streams = np.array([stream_words(stream) for stream in self._streams], dtype=np.uint64)
        return replace(world, levels=np.array(self._pool, dtype=np.int64), choosers=streams)

    def take_back(self, world: World) -> None:
        """Go on where the kernels stopped drawing."""
        if self._pool is not None:
            for stream, words in zip(self._streams, world.choosers.tolist(), strict=True):
                set_stream_words(stream, words)
            drawn = world.level_of  # -1 where `following` drew it
            self.current = np.where(drawn >= 0, drawn, self.current)

    def _draw(self, i: int) -> int | None:
        if self._pool is not None:
            return int(self._pool[int(self._streams[i].integers(len(self._pool)))])
        if self._lists is None:
            return None
        level = self._lists[i][self._next[i]]
        self._next[i] = (self._next[i] + 1) % len(self._lists[i])
        return int(level)
