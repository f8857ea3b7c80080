"""Tabular: worlds of a few numbered cells that are known exactly, such as RiverSwim: every step's regret is told

Paper: Osband and Van Roy 2017, Why is posterior sampling better than optimism for reinforcement learning?

What is seen is the number of the cell. Episodes last `env.horizon` steps, after which nothing follows. The best
policy may depend on the step, which is not shown. `gap` is what an action costs, by backward induction: Q*_h(s, best)
less Q*_h(s, a). Its expected sum over an episode is V* - V.

| env.kind | world |
|---|---|
| riverswim | swim right against the current: .005 at the left end for sure, 1 at the right end |
| chain | n right moves, each of which fails with 1 / n; noise at both ends |
| random | successors and rewards drawn once, from `env.draw` |
| level | one level of a small MiniGrid task, `env.task`, by its seed `env.draw`; success pays 1 and ends it |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, fact_of_gap, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.envs.tables.worlds import World, chain, drawn, level, riverswim
from rewardlab.errors import unknown
from rewardlab.facts import BEST, GAP, PICTURE, STATE_HASH
from rewardlab.gridworld.catalogue import TASKS, covers
from rewardlab.maths.counting import hash_rows
from rewardlab.maths.tables import best_within, shortfalls, values_within
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
_CELLS, _STEPS = {"riverswim": 6, "chain": 8, "random": 20}, {"riverswim": 20, "random": 20}
# Options that only some kinds have, and their defaults.
_OWN: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("actions", 4, ("random",)), ("draw", 0, ("random", "level")), ("task", None, ("level",)),
)  # fmt: skip
_SQUARE = 32  # pixels of a cell's side in a picture
_ROUNDING = 1e-9
_WATER, _SWIMMER = (30, 60, 110), (240, 240, 240)


@dataclass
class Config(OwnConfig):
    TELLS_GAP = True

    kind: str = option("riverswim", "which world", choices=("riverswim", "chain", "random", "level"))
    n: int | None = option(
        None, "number of cells; null: 6 of riverswim, 8 of chain, 20 of random", minimum=2, maximum=500
    )
    horizon: int | None = option(
        None, "steps of an episode; null: 20, of chain n, of level the task's limit", above=0, maximum=10_000
    )
    actions: int = option(4, "number of actions, of kind=random; others have 2", minimum=2, maximum=100)
    draw: int = option(0, "seed of the world, of kind=random; of the level, of kind=level", minimum=0)
    task: str | None = option(None, "of kind=level: the id of a MiniGrid task", neutral=None)
    frames: int = option(20_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        for name, default, kinds in _OWN:
            if self.kind not in kinds and getattr(self, name) != default:
                raise ValueError(f"{name}={getattr(self, name)}: kind={self.kind} has none; set kind={kinds[0]}")
        if self.kind == "level":
            if self.n is not None:
                raise ValueError(f"n={self.n}: kind=level counts its states; leave it out")
            if self.task is None:
                raise ValueError("kind=level: name a task, as in env.task=MiniGrid-DoorKey-5x5-v0")
            if not covers(self.task):
                raise ValueError(str(unknown("task", self.task, TASKS, "task of the fast engine")))

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """The values of what is expected, whatever happens on a few levels."""
        return task

    def revision(self, setting: RootConfig) -> int:
        return 0

    def world(self) -> World:
        if self.kind == "level":
            assert self.task is not None, "`validate` has refused it"
            return level(self.task, self.draw, self.horizon)
        n = _CELLS[self.kind] if self.n is None else self.n
        horizon = _STEPS.get(self.kind, n) if self.horizon is None else self.horizon
        if self.kind == "random":
            return drawn(n, self.actions, horizon, self.draw)
        return riverswim(n, horizon) if self.kind == "riverswim" else chain(n, horizon)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Tabular":
    """N copies; a level is the seed of what chance does in an episode.

    Args:
        privileged: full-state facts to compute: gap, best, state_hash, picture.
    """
    world = config.world()
    mdp, horizon = world.mdp, world.horizon
    states, actions = mdp.reward.shape
    best = best_within(mdp, mdp.reward, horizon)
    uniform = np.full((states, actions), 1.0 / actions)
    random = values_within(mdp, mdp.reward, uniform, horizon)[0].mean(axis=1)
    success = "the level's own" if config.kind == "level" else None
    spec = EnvSpec(
        id=f"Tabular-{config.kind}-{config.task or states}",
        obs={"cell": ObsSpec((1,), "int64", states - 1)},
        action=ActionSpec(n=actions),
        max_steps=horizon,
        task=TaskFacts(float(mdp.start @ random), float(mdp.start @ best[0].max(axis=1)), "exact", success),
        backend="fast",
        privileged=(GAP, BEST, STATE_HASH, PICTURE),
        restorable=True,
        mdp=lambda: mdp,
    )
    return Tabular(world, best, spec, levels, privileged)


class Tabular(ArrayEnv):
    """cell: int64 [N]. gap: float64 [N], of the step just taken."""

    def __init__(self, world: World, best: Array, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._mdp, self._noise = world.mdp, world.noise
        self._until = np.cumsum(world.mdp.chance, axis=2)
        self._until[..., -1][self._until[..., -1] > 1.0 - _ROUNDING] = 1.0  # what is missing to 1 ends the episode
        self._solves = spec.task.success is not None
        self._begins = np.cumsum(world.mdp.start)
        self._gaps = shortfalls(best)
        self.arrays = {
            "cell": np.zeros(levels.num_envs, dtype=np.int64),
            "gap": np.zeros(levels.num_envs),
        }

    def begin(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["cell"][i] = np.searchsorted(self._begins[:-1], stream.random(), side="right")
        self.arrays["gap"][i] = 0.0

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        cell, gap = self.arrays["cell"], self.arrays["gap"]
        gap[:] = self._gaps[self.steps, cell, action]
        reward, spread = self._mdp.reward[cell, action].copy(), self._noise[cell, action]
        for i in np.flatnonzero(spread).tolist():
            reward[i] += spread[i] * self.streams[i].standard_normal()
        chosen = np.array([stream.random() for stream in self.streams])
        until = self._until[cell, action]
        stops = chosen >= until[:, -1]
        cell[:] = np.where(stops, cell, np.minimum((until <= chosen[:, None]).sum(axis=1), until.shape[1] - 1))
        ended: Array = stops | (self.steps + 1 >= self._limit)
        return reward, ended, stops & (reward > 0) & self._solves

    def observe(self) -> Obs:
        return {"cell": self.arrays["cell"][:, None].copy()}

    def fact(self, name: str) -> Array:
        cell, gap = self.arrays["cell"], self.arrays["gap"]
        if name in (GAP, BEST):
            return fact_of_gap(name, gap)
        if name == STATE_HASH:
            return hash_rows(np.stack([cell, self.steps], axis=1))
        pixels = np.full((self.num_envs, 1, len(self._mdp.start), 3), _WATER, dtype=np.uint8)
        pixels[np.arange(self.num_envs), 0, cell] = _SWIMMER
        return pictured(pixels, max(2, min(_SQUARE, 1600 // len(self._mdp.start))))
