"""One world of Crafter: the package's rules on our terrain and pictures, in episodes that repeat.

Two things differ from `crafter.Env`. The objects of a chunk are kept in the order in which they came there; the package
keeps them in sets, whose order is that of addresses in memory, and draws creatures by it, so that its episodes differ
from process to process. And what is not shown is not computed: `info` is left out.
"""

from collections import defaultdict
from typing import Any

import crafter
import numpy as np
from crafter import constants, engine, objects

from rewardlab.envs.external.crafter_drawing import NIGHT, draw, tiles
from rewardlab.envs.external.crafter_terrain import generate_world
from rewardlab.types import Array

ACHIEVEMENTS: tuple[str, ...] = tuple(constants.achievements)
ITEMS: tuple[str, ...] = tuple(constants.items)
AREA = (64, 64)
LENGTH = 10_000  # steps of an episode
_NEAR = 18  # cells from the player, within which things move
_CHUNK = (12, 12)
_NO_NOISE = np.empty((0, 0))
_KINDS = (objects.Player, objects.Cow, objects.Zombie, objects.Skeleton, objects.Arrow, objects.Plant, objects.Fence)
_COUNTERS = {objects.Zombie: "cooldown", objects.Skeleton: "reload", objects.Plant: "grown"}
_OWN = ("sleeping", "_last_health", "_hunger", "_thirst", "_fatigue", "_recover")  # of the player
_MOST_OBJECTS = 1024
_CHUNKS = -(-AREA[0] // _CHUNK[0]) * -(-AREA[1] // _CHUNK[1])


class Game(crafter.Env):  # type: ignore[misc]  # the package has no types
    """A world that is stepped, taken out and put back; `begin` comes first.

    Attributes:
        seed, episode: what the next `begin` is of: the package's own way from a seed to its episodes.
        steps: taken in the running episode.
    """

    def __init__(self) -> None:
        """The package's own constructor reads all textures anew for each copy."""
        self._area, self._view, self._length = AREA, np.array((9, 9)), LENGTH
        self._world = engine.World(AREA, constants.materials, _CHUNK)
        self._numbers = tiles().number
        self.seed, self.episode = 0, 0
        self._step, self._last_health = 0, 0
        self._player: Any = None
        self._stream: Any = None  # the world's random stream before the latest picture

    @property
    def steps(self) -> int:
        return self._step

    @property
    def dead(self) -> bool:
        return bool(self._player.health <= 0)

    def begin(self, seed: int | None) -> Array:
        """Begin the first episode of a seed, or the next of the one that was; what is seen."""
        if seed is not None:
            self.seed, self.episode = seed, 0
        self.episode += 1
        self._step = 0
        self._clear(hash((self.seed, self.episode)) % (2**31 - 1))
        self._update_time()
        self._player = objects.Player(self._world, (AREA[0] // 2, AREA[1] // 2))
        self._last_health = self._player.health
        self._world.add(self._player)
        generate_world(self._world, self._player)
        return self.show()

    def advance(self, action: int) -> tuple[Array, float]:
        """What is seen after an action, and what it is paid: see `crafter.Env.step`."""
        world, player = self._world, self._player
        before = self.unlocked()
        self._step += 1
        self._update_time()
        player.action = constants.actions[action]
        for thing in world.objects:
            (x, y), (px, py) = thing.pos.tolist(), player.pos.tolist()
            if abs(x - px) + abs(y - py) < _NEAR:
                thing.update()
        if self._step % 10 == 0:
            for chunk, things in world.chunks.items():
                self._balance_chunk(chunk, things)
        seen = self.show()
        reward = (player.health - self._last_health) / 10
        self._last_health = player.health
        if (self.unlocked() > before).any():
            reward += 1.0
        return seen, reward

    def unlocked(self) -> Array:
        """bool [22]: which achievements the running episode has."""
        return np.fromiter(self._player.achievements.values(), dtype=np.int64) > 0

    def items(self) -> Array:
        """int64 [16]: how much of each the player has; health, food, drink and energy first."""
        return np.fromiter(self._player.inventory.values(), dtype=np.int64)

    def at(self) -> Array:
        """int64 [2]: column and row of the player."""
        return np.array(self._player.pos, dtype=np.int64)

    def show(self) -> Array:
        """The picture of a step, uint8 [64, 64, 3]; at night it draws from the world's stream, as the package does."""
        world, player = self._world, self._player
        self._stream = world.random.get_state()
        dark = world.daylight < 0.5
        noise = world.random.uniform(32, 127, NIGHT) if dark else _NO_NOISE
        things = [(*thing.pos.tolist(), self._numbers[thing.texture]) for thing in world.objects]
        places = np.array(things, dtype=np.int64)
        return draw(world._mat_map, self.at(), places, self.items(), world.daylight, noise, bool(player.sleeping))

    def state(self) -> dict[str, Array]:
        """The world as arrays, each of one shape whatever happens.

        cells: uint8 [64 * 64], the materials. things: int16 [1024, 8], of each object its kind (1 for the player),
        place, health, counter, heading, and its place in the order of chunks. chunks: int16 [36], their order; -1 for
        none. player: float64, where it looks, what it has and did, and the episode's steps. streams: uint64 [313], the
        random numbers to come, those of the picture included.
        """
        world, player = self._world, self._player
        there = world.objects
        if len(there) > _MOST_OBJECTS:
            raise RuntimeError(f"env=crafter: {len(there)} objects, of which at most {_MOST_OBJECTS} are kept")
        order = {id(thing): place for place, thing in enumerate(t for held in world._chunks.values() for t in held)}
        things = np.zeros((_MOST_OBJECTS, 8), dtype=np.int16)
        for row, thing in zip(things, there, strict=False):
            heading = thing.facing if isinstance(thing, objects.Arrow) else (0, 0)
            counter = getattr(thing, _COUNTERS.get(type(thing), ""), 0)
            row[:] = (1 + _KINDS.index(type(thing)), *thing.pos, thing.health, counter, *heading, order[id(thing)])
        chunks = np.full(_CHUNKS, -1, dtype=np.int16)
        for place, (left, _, top, _) in enumerate(world._chunks):
            chunks[place] = left // _CHUNK[0] * (-(-AREA[1] // _CHUNK[1])) + top // _CHUNK[1]
        own = [float(getattr(player, name)) for name in _OWN]
        told = [*player.facing, *player.inventory.values(), *player.achievements.values()]
        _, words, position, *_ = self._stream
        return {
            "cells": world._mat_map.reshape(-1).copy(),
            "things": things,
            "chunks": chunks,
            "player": np.array([*told, *own, self._last_health, self._step], dtype=np.float64),
            "streams": np.append(words, [position, 0]).astype(np.uint32).view(np.uint64),
        }

    def put(self, state: dict[str, Array]) -> Array:
        """Go on in a state; without `streams` with the random numbers that would come. What is seen."""
        stream = self._world.random.get_state()
        self._clear(0)
        world = self._world
        world._mat_map[:] = state["cells"].reshape(AREA)
        values = state["player"].tolist()
        across = -(-AREA[1] // _CHUNK[1])
        for number in state["chunks"].tolist():
            if number >= 0:
                world._chunks[world.chunk_key(np.array((number // across * _CHUNK[0], number % across * _CHUNK[1])))]
        rows = state["things"][state["things"][:, 0] > 0].tolist()
        made = [self._made(row) for row in rows]
        for place in np.argsort([row[7] for row in rows]).tolist():
            world._chunks[world.chunk_key(made[place].pos)].add(made[place])
        for index, thing in enumerate(made, start=1):
            world._objects.append(thing)
            world._obj_map[tuple(thing.pos)] = index
        player = self._player
        player.facing = (int(values[0]), int(values[1]))
        values = values[2:]
        for held in (player.inventory, player.achievements):
            for name, value in zip(held, values, strict=False):
                held[name] = int(value)
            values = values[len(held) :]
        for name, value in zip(_OWN, values, strict=False):
            setattr(player, name, bool(value) if name == "sleeping" else _whole(value))
        self._last_health, self._step = int(values[-2]), int(values[-1])
        self._update_time()
        if "streams" in state:
            words = np.ascontiguousarray(state["streams"]).view(np.uint32)
            world.random.set_state(("MT19937", words[:624], int(words[624])))
        else:
            world.random.set_state(stream)
        return self.show()

    def _clear(self, seed: int) -> None:
        self._world.reset(seed)
        self._world._chunks = defaultdict(_Ordered)

    def _made(self, row: list[int]) -> Any:
        """The object of a row of `things`."""
        kind, at, world = _KINDS[row[0] - 1], (row[1], row[2]), self._world
        thing: Any
        if kind is objects.Player:
            thing = self._player = kind(world, at)
        elif kind in (objects.Zombie, objects.Skeleton):
            thing = kind(world, at, self._player)  # the player is the first
        elif kind is objects.Arrow:
            thing = kind(world, at, np.array(row[5:7]))
        else:
            thing = kind(world, at)
        thing.inventory["health"] = row[3]
        if kind in _COUNTERS:
            setattr(thing, _COUNTERS[kind], row[4])
        return thing


class _Ordered(dict[Any, None]):
    """What the package does with the set of a chunk's objects, in the order in which they came."""

    def add(self, thing: Any) -> None:
        self[thing] = None

    def remove(self, thing: Any) -> None:
        del self[thing]


def _whole(value: float) -> float:
    """As the package counts: whole numbers stay whole where they are."""
    return int(value) if value == int(value) else value
