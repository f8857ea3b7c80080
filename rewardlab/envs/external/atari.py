"""Atari 2600 games, emulated by ale-py: env=montezuma, or any by its name: env=atari env.id=Seaquest

image: the last four pictures [84, 84, 4], grey, the newest last; where there are none yet, the first is repeated. As
defaults the settings of exploration work (Burda et al. 2018, exploration by random network distillation): actions that
stick with probability 0.25 a frame (Machado et al. 2018), four frames a step of which the brighter of the last two is
seen, all 18 actions, 18,000 frames, the loss of a life no end. What is paid is the game's points, and nothing changes
them: the return is the score. No game of these tells what a success is.

A game always begins in the same state. A level is the seed of what is random in an episode: which actions stick, and
how many frames go by before the first (env.noops). With neither, all levels are one. Needs the extra `atari`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from rewardlab.envs.config import check_levels, check_privileged
from rewardlab.envs.external.atari_games import MEMORIES, check_game, games, published_scores
from rewardlab.facts import LIVES, PICTURE, RAM, ROOM, ROOMS
from rewardlab.schemas import EnvConfig, RootConfig, option
from rewardlab.seeding import generator_state, set_generator_state, set_stream_words, stream_words
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, State, StepBatch, TaskFacts

if TYPE_CHECKING:
    from rewardlab.envs.external.atari_emulators import Emulators
    from rewardlab.envs.external.shares import Shares
    from rewardlab.envs.levels import Levels

VERSION = 1
SIDE, _BRIGHTEST, _BYTES = 84, 255, 256


@dataclass
class Config(EnvConfig):
    MAY_BE_BOX = False

    id: str = option("", "the game: MontezumaRevenge, or another NAME of gymnasium's ALE/NAME-v5")
    sticky: float = option(0.25, "probability that a frame goes on with the action of the frame before", minimum=0)
    frame_skip: int = option(4, "frames of a step", above=0, maximum=64)
    frame_stack: int = option(4, "latest pictures that are shown at once", above=0, maximum=64)
    actions: str = option("full", "all 18, or minimal: those that do something", choices=("full", "minimal"))
    max_frames: int = option(18_000, "frames of an episode; 108_000 is the limit of most other work", above=0)
    life_loss: str = option(
        "none", "ends: in training the loss of a life ends an episode, and the game goes on", choices=("none", "ends")
    )
    noops: int = option(0, "up to so many frames go by before an episode, evenly drawn", minimum=0, maximum=1000)
    processes: int = option(1, "worker processes that step the games", above=0, maximum=1024, in_setting=False)
    random_return: float | None = option(
        None, "mean score of a uniform-random policy; null = unknown", in_setting=False
    )

    def validate(self) -> None:
        check_levels(self.levels)
        if self.sticky >= 1:
            raise ValueError(f"sticky={self.sticky:g}: must be less than 1, or no action would ever be taken")
        if self.max_frames < self.frame_skip:
            raise ValueError(f"max_frames={self.max_frames}: must be at least frame_skip={self.frame_skip}")
        if self.backend == "reference":
            raise ValueError("backend=reference: games are emulated by ale-py in either case; leave it out")
        if not self.id:
            raise ValueError("id is missing: name a game, such as env.id=Seaquest")
        check_game(self.id)

    def picture(self) -> tuple[int, ...] | None:
        return (SIDE, SIDE)

    @property
    def all_alike(self) -> bool:
        """Whether nothing in an episode is random, so that all levels are one."""
        return self.sticky == 0 and self.noops == 0

    def level_keys(self, seeds: Sequence[int]) -> list[bytes]:
        return [b"" if self.all_alike else str(seed).encode() for seed in seeds]

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """No level is easier than others."""
        return task

    def revision(self, setting: RootConfig) -> int:
        return 0

    def as_reported(self) -> Config:
        return replace(self, life_loss="none")


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> Atari | Shares:
    """N games.

    Args:
        privileged: full-state facts to compute: ram, lives, picture, and where the game's memory is known room,
            rooms_visited, spot, situation, game_level, items.

    Raises:
        UserError: ale-py is missing, or another fact is asked for.
    """
    from rewardlab.envs.external.atari_emulators import Emulators

    rom = games()[config.id]
    emulators = Emulators(rom, levels.num_envs, config.actions == "minimal", config.frame_skip)
    known = MEMORIES[rom].facts() if rom in MEMORIES else {}
    random, human = published_scores(rom)
    rooms = (ROOMS,) if ROOM in known else ()
    spec = EnvSpec(
        id=config.id,
        obs={"image": ObsSpec((SIDE, SIDE, config.frame_stack), "uint8", _BRIGHTEST)},
        action=ActionSpec(n=emulators.actions),
        max_steps=config.max_frames // config.frame_skip,
        task=TaskFacts(
            config.random_return,
            distinct_levels=1 if config.all_alike else None,
            seen_in_training=float(config.all_alike),
            human_random=random,
            human_return=human,
        ),
        backend="fast",
        privileged=(RAM, LIVES, PICTURE, *known, *rooms),
        tells=rooms,
        restorable=True,
        placeable=True,
    )
    if config.processes > 1 and levels.num_envs > 1:
        from rewardlab.envs.external.shares import Shares

        check_privileged(spec.id, privileged, spec.privileged)
        return Shares(replace(config, processes=1), spec, levels, privileged, config.processes)
    return Atari(config, spec, levels, emulators, known, privileged)


class Atari:
    """N games together; see `PlaceableEnv`.

    What coming steps depend on: the emulators, and stack, uint8 [N, 84, 84, F]; held, int64 [N], the action that
    sticks; steps, int64 [N], of the episode; visited, bool [N, 256], rooms; streams, a generator each.
    """

    def __init__(
        self,
        config: Config,
        spec: EnvSpec,
        levels: Levels,
        emulators: Emulators,
        known: dict[str, Callable[[Array], Array]],
        privileged: Sequence[str],
    ) -> None:
        check_privileged(spec.id, privileged, spec.privileged)
        assert spec.max_steps is not None
        num_envs = levels.num_envs
        self.spec, self.num_envs = spec, num_envs
        self._config, self._levels, self._emulators, self._limit = config, levels, emulators, spec.max_steps
        self._known, self._asked = known, tuple(privileged)
        self._privileged: Obs = {}
        self.streams: list[np.random.Generator] = []
        self._stack: Array = np.zeros((num_envs, *spec.obs["image"].shape), dtype=np.uint8)
        self._held, self._steps = np.zeros((2, num_envs), dtype=np.int64)
        self._visited = np.zeros((num_envs, _BYTES), dtype=bool)

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew; environment i owns the random stream of seeds[i] from here on.

        Raises:
            ValueError: not one seed for each environment.
        """
        restarted = self._levels.restart(seeds)
        self.streams = [np.random.default_rng(seed) for seed in seeds]
        self._begin(np.ones(self.num_envs, dtype=bool), restarted)
        return self._shown()

    def step(self, action: Array) -> StepBatch:
        """Step every game; those that are over, or out of time, begin anew."""
        from rewardlab.envs.external.atari_frames import push

        config, emulators, num_envs = self._config, self._emulators, self.num_envs
        points, over = np.zeros(num_envs, dtype=np.float32), np.zeros(num_envs, dtype=bool)
        lives = emulators.lives.copy()
        for i, wanted in enumerate(action.tolist()):
            sticks = (self.streams[i].random(config.frame_skip) < config.sticky).tolist()
            points[i], self._held[i], over[i] = emulators.play(i, wanted, int(self._held[i]), sticks)
            push(emulators.frame[i], self._stack[i])
        self._steps += 1
        self._visit()
        terminated = over | (emulators.lives < lives) if config.life_loss == "ends" else over.copy()
        truncated = self._steps >= self._limit
        obs = next_obs = self._shown()
        successor = self._privileged
        ended = over | truncated
        if ended.any():
            self._begin(ended, self._levels.following(ended))
            obs = self._shown()
        return StepBatch(obs, next_obs, points, terminated, truncated, np.zeros(num_envs, dtype=bool), successor)

    def privileged(self) -> Obs:
        """Full-state facts of the current states (after automatic resets), each [N, ...]."""
        return self._privileged

    def get_state(self) -> State:
        places = self.take_places(np.arange(self.num_envs)) | {"stack": self._stack}
        del places["streams"]
        return {
            "places": {name: torch.from_numpy(entry.copy()) for name, entry in places.items()},
            "streams": [generator_state(stream) for stream in self.streams],
            "levels": self._levels.state_dict(),
        }

    def set_state(self, state: State) -> None:
        places = {name: entry.cpu().numpy() for name, entry in state["places"].items()}
        self.put_places(np.arange(self.num_envs), places)
        self._stack[:] = places["stack"]
        for stream, saved in zip(self.streams, state["streams"], strict=True):
            set_generator_state(stream, saved)
        self._levels.load_state_dict(state["levels"])

    def take_places(self, where: Array) -> Obs:
        """See `PlaceableEnv`. Of the pictures, the newest is in them: where one is put back, it stands for all."""
        emulators = self._emulators
        return {
            "emulator": np.stack([emulators.state(i) for i in where.tolist()]),
            "frame": emulators.frame[where],
            "held": self._held[where],
            "steps": self._steps[where],
            "visited": np.packbits(self._visited[where], axis=1),
            "streams": np.array([stream_words(self.streams[i]) for i in where.tolist()], dtype=np.uint64),
        }

    def put_places(self, where: Array, places: Obs) -> Obs:
        for row, i in enumerate(where.tolist()):
            self._emulators.put(i, places["emulator"][row], places["frame"][row])
            if "streams" in places:
                set_stream_words(self.streams[i], places["streams"][row].tolist())
        self._stack[where] = places["frame"][..., None]
        self._held[where], self._steps[where] = places["held"], places["steps"]
        self._visited[where] = np.unpackbits(places["visited"], axis=1).astype(bool)
        return self._shown()

    def close(self) -> None:
        self.streams.clear()

    def _begin(self, fresh: Array, seeds: Sequence[int | None]) -> None:
        for i in np.flatnonzero(fresh).tolist():
            level = seeds[i]
            if level is not None:
                self.streams[i] = np.random.default_rng(level)
            noops = self._config.noops
            self._emulators.begin(i, int(self.streams[i].integers(noops + 1)) if noops else 0)
            self._stack[i] = self._emulators.frame[i][..., None]
        self._held[fresh], self._steps[fresh], self._visited[fresh] = 0, 0, False
        self._visit()

    def _visit(self) -> None:
        if ROOM in self._known:
            self._visited[np.arange(self.num_envs), self._known[ROOM](self._emulators.ram)] = True

    def _shown(self) -> Obs:
        """What is seen now, in arrays of its own; the facts that were asked for are measured."""
        self._privileged = {name: self._fact(name) for name in self._asked}
        return {"image": self._stack.copy()}

    def _fact(self, name: str) -> Array:
        emulators = self._emulators
        if name in self._known:
            return self._known[name](emulators.ram)
        if name == RAM:
            return emulators.ram.copy()
        if name == LIVES:
            return emulators.lives.copy()
        if name == ROOMS:
            rooms: Array = self._visited.sum(axis=1)
            return rooms
        return np.stack([emulators.colours(i) for i in range(self.num_envs)])
