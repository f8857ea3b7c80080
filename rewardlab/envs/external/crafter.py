"""Crafter: survive in a world of 64 x 64 cells, and unlock 22 achievements in it (env=crafter).

Paper: Hafner 2021, Benchmarking the spectrum of agent capabilities (Crafter; arXiv:2109.06780)

A step pays 1 where it unlocks something that the episode had not unlocked before, and a tenth of every point of health
that it brings or costs. An episode terminates with the player's death, and is truncated after 10,000 steps. What is
seen is the picture of 64 x 64 pixels. Rules, pictures and worlds are those of the package crafter; a level is its seed,
and repeats (`crafter_world.py`). There is no success: what counts is Crafter's score, of the share of training episodes
that unlock each achievement (`maths/achievements.py`). Needs the extra `crafter`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch

from rewardlab.envs.config import check_levels, check_privileged
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.facts import INVENTORY, PICTURE, PLACE, SITUATION, STATE_HASH, UNLOCKED
from rewardlab.maths.counting import hash_rows
from rewardlab.schemas import EnvConfig, RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, State, StepBatch, TaskFacts

if TYPE_CHECKING:
    from rewardlab.envs.external.crafter_world import Game
    from rewardlab.envs.external.shares import Shares

VERSION = 1
_SIDE, _ENLARGED, _VITAL = 64, 4, 4  # pixels; of pictures for people; items that are health and the like
_RANDOM = 1.38  # docs/suites/crafter.md
_LEAST = -0.9  # of return: nothing is unlocked, and all health is lost


@dataclass
class Config(EnvConfig):
    MAY_BE_BOX = False

    frames: int = option(1_000_000, "default training budget of a run on it", above=0, in_setting=False)
    processes: int = option(1, "worker processes that step the copies", above=0, maximum=1024, in_setting=False)

    def validate(self) -> None:
        if find_spec("crafter") is None:
            raise UserError("env=crafter: needs the package crafter; pip install 'rewardlab[crafter]'")
        check_levels(self.levels)
        if self.backend == "fast":
            raise ValueError("backend=fast: the package's own rules are played; leave it out")

    def picture(self) -> tuple[int, ...]:
        return (_SIDE, _SIDE)

    def counted(self) -> tuple[str, ...]:
        return _unlocked()

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Crafters | Shares":
    """N copies; a level is the seed of a world.

    Args:
        privileged: full-state facts to compute: agent_pos, inventory, situation, state_hash, unlocked_ACHIEVEMENT,
            picture.

    Raises:
        UserError: another fact is asked for.
    """
    from rewardlab.envs.external.crafter_world import AREA, ITEMS, LENGTH

    told = _unlocked()
    spec = EnvSpec(
        id="Crafter-v1",
        obs={"image": ObsSpec((_SIDE, _SIDE, 3), "uint8", 255)},
        action=ActionSpec(n=17),
        max_steps=LENGTH,
        task=TaskFacts(_RANDOM, lowest_return=_LEAST),
        privileged=(PLACE, INVENTORY, SITUATION, STATE_HASH, *told, PICTURE),
        tells=told,
        fact_shapes={INVENTORY: (len(ITEMS),)},
        restorable=True,
        placeable=True,
        place=((0.0, 0.0), (AREA[0] - 1.0, AREA[1] - 1.0)),
        downwards=True,
    )
    check_privileged(spec.id, privileged, spec.privileged)
    if config.processes > 1 and levels.num_envs > 1:
        from rewardlab.envs.external.shares import Shares

        return Shares(replace(config, processes=1), spec, levels, privileged, config.processes)
    return Crafters(spec, levels, privileged)


def _unlocked() -> tuple[str, ...]:
    from rewardlab.envs.external.crafter_world import ACHIEVEMENTS

    return tuple(f"{UNLOCKED}{name}" for name in ACHIEVEMENTS)


class Crafters:
    """See `VecEnv` and `PlaceableEnv`."""

    def __init__(self, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        from rewardlab.envs.external.crafter_world import Game

        self.spec, self.num_envs = spec, levels.num_envs
        self._games = [Game() for _ in range(levels.num_envs)]
        self._levels, self._asked = levels, tuple(privileged)
        self._images: Array = np.zeros((levels.num_envs, _SIDE, _SIDE, 3), dtype=np.uint8)
        self._privileged: Obs = {}

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew.

        Raises:
            ValueError: not one seed for each environment.
        """
        for i, (game, seed) in enumerate(zip(self._games, self._levels.restart(seeds), strict=True)):
            self._images[i] = game.begin(seed)
        return self._seen()

    def step(self, action: Array) -> StepBatch:
        """Step every environment, then reset those that ended."""
        reward = np.zeros(self.num_envs, dtype=np.float32)
        dead, late = np.zeros(self.num_envs, dtype=bool), np.zeros(self.num_envs, dtype=bool)
        limit = self.spec.max_steps or 0
        for i, (game, chosen) in enumerate(zip(self._games, action.tolist(), strict=True)):
            self._images[i], reward[i] = game.advance(chosen)
            dead[i], late[i] = game.dead, game.steps >= limit
        late &= ~dead
        next_obs, done = {"image": self._images.copy()}, dead | late
        obs, successor = next_obs, self._measure()
        self._privileged = successor
        if done.any():
            seeds = self._levels.following(done)
            for i in np.flatnonzero(done).tolist():
                self._images[i] = self._games[i].begin(seeds[i])
            obs = self._seen()
        return StepBatch(obs, next_obs, reward, dead, late, np.zeros_like(dead), successor)

    def privileged(self) -> Obs:
        """Full-state facts of the current states (after automatic resets), each [N, ...]."""
        return self._privileged

    def get_state(self) -> State:
        held = self.take_places(np.arange(self.num_envs))
        held["streams"] = held["streams"].view(np.int64)
        return {
            "worlds": {name: torch.from_numpy(entry) for name, entry in held.items()},
            "episodes": [[game.seed, game.episode] for game in self._games],
            "levels": self._levels.state_dict(),
        }

    def set_state(self, state: State) -> None:
        held = {name: entry.cpu().numpy() for name, entry in state["worlds"].items()}
        held["streams"] = held["streams"].view(np.uint64)
        self.put_places(np.arange(self.num_envs), held)
        for game, (seed, episode) in zip(self._games, state["episodes"], strict=True):
            game.seed, game.episode = seed, episode
        self._levels.load_state_dict(state["levels"])

    def take_places(self, where: Array) -> Obs:
        states = [self._games[i].state() for i in where.tolist()]
        return {name: np.stack([state[name] for state in states]) for name in states[0]}

    def put_places(self, where: Array, places: Obs) -> Obs:
        for row, i in enumerate(where.tolist()):
            self._images[i] = self._games[i].put({name: entry[row] for name, entry in places.items()})
        return self._seen()

    def close(self) -> None:
        self._games.clear()

    def _seen(self) -> Obs:
        """What all show now, whose facts are taken too."""
        self._privileged = self._measure()
        return {"image": self._images.copy()}

    def _measure(self) -> Obs:
        if not self._asked:
            return {}
        unlocked = dict(zip(_unlocked(), np.stack([game.unlocked() for game in self._games], axis=1), strict=True))
        return {name: unlocked[name].astype(np.int64) if name in unlocked else self._fact(name) for name in self._asked}

    def _fact(self, name: str) -> Array:
        if name == PICTURE:
            return self._images.repeat(_ENLARGED, axis=1).repeat(_ENLARGED, axis=2)
        return np.stack([_FACTS[name](game) for game in self._games])


def _state_hash(game: "Game") -> Array:
    """Of everything but the random numbers to come."""
    state = game.state()
    parts = [np.ascontiguousarray(state[name]).reshape(-1).view(np.uint8) for name in ("cells", "things", "player")]
    hashed: Array = hash_rows(np.concatenate(parts)[None])[0]
    return hashed


_FACTS = {
    PLACE: lambda game: game.at(),
    INVENTORY: lambda game: game.items(),
    SITUATION: lambda game: hash_rows(np.concatenate([game.at(), game.items()[_VITAL:]])[None])[0],
    STATE_HASH: _state_hash,
}
