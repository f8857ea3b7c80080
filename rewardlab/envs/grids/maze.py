"""Mazes: a square of walls, a goal, and an agent that sees five cells ahead; 1 - 0.9 * steps / max_steps at the goal

Ours, after those that designers of levels are compared on. The agent sees through walls, and is told its heading.
Levels are drawn as facebookresearch/dcd's teacher builds them that acts at random (Jiang et al. 2021, Replay-guided
adversarial environment design); or walls are distinct; or the maze is perfect, a spanning tree, with goal and agent in
two corners; or it is one of the held-out mazes. Designers put their own by `put_places` and `gridworld.mazes.to_state`.

image: the view, as MiniGrid's. vector: the heading, one-hot: right, down, left, up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from rewardlab.envs.config import OwnConfig, check_privileged
from rewardlab.errors import UserError
from rewardlab.facts import DISTANCE, SITUATION
from rewardlab.gridworld import named_mazes
from rewardlab.gridworld.catalogue import MAZES, find_task, maze_id
from rewardlab.schemas import RootConfig, option

if TYPE_CHECKING:
    from rewardlab.envs.levels import Levels
    from rewardlab.types import HeldOut, PlaceableEnv, TaskFacts, VecEnv

VERSION = 1
SUCCESS = "the goal is reached"
_LIMIT = 250  # steps of an episode, as of most published ones
_PERFECT = (11, 21)  # sides of the perfect mazes among those that are held out
_DRAWN = 40_000  # levels of a training, as shares of levels that it meets have it
_RARE = 1000  # so many times as many levels make a repetition one in a thousand


@dataclass
class Config(OwnConfig):
    SUITES = ("mazes",)
    ON_GRID = True

    size: int = option(13, "cells of a side, without the walls around", minimum=2, maximum=101)
    generator: str = option(
        "walls_first",
        "walls_first: goal and agent take a wall away; uniform: walls elsewhere; perfect: a spanning tree of corridors",
        choices=tuple(MAZES),
    )
    walls: int = option(
        25,
        "walls_first: how many are drawn, some of them twice; uniform: how many there are",
        minimum=0,
        maximum=10_000,
    )
    fewest_walls: int | None = option(
        None, "with it, their number is drawn for each level, from this to walls; null: it is walls", minimum=0
    )
    maze: str | None = option(None, "a held-out maze, as Labyrinth, which all levels then are; null: none")
    direction: bool = option(True, "whether the heading is seen")
    view_size: int = option(5, "side of the view: odd", minimum=3, maximum=31)
    see_through_walls: bool = option(True, "whether the agent sees what is behind walls")
    max_steps: int | None = option(None, "steps of an episode; null: 250, or 2 size^2 of perfect mazes", above=0)
    actions: int = option(7, "7: MiniGrid's, of which four do nothing here; 3: left, right, forward")

    def validate(self) -> None:
        super().validate()
        if self.view_size % 2 == 0:
            raise ValueError(f"view_size={self.view_size}: must be odd, from 3 to 31")
        if self.actions not in (3, 7):
            raise ValueError(f"actions={self.actions}: must be 3 or 7")
        if self.maze is not None:
            self._check_named(self.maze)
        most = self.size**2 - 2
        if self.generator == "uniform" and self.walls > most:
            raise ValueError(f"walls={self.walls}: beside goal and agent, {self.size}x{self.size} cells hold {most}")
        if self.fewest_walls is not None and self.fewest_walls > self.walls:
            raise ValueError(f"fewest_walls={self.fewest_walls}: must be at most walls={self.walls}")
        if self.generator == "perfect":
            if self.size % 2 == 0:
                raise ValueError(f"size={self.size}: perfect mazes have an odd side")
            if self.fewest_walls is not None:
                raise ValueError("fewest_walls: a perfect maze has the walls that it needs; leave it out")

    def _check_named(self, name: str) -> None:
        try:
            side = len(named_mazes.rows(name))
        except UserError as error:
            raise ValueError(str(error)) from None
        if self.size != side:
            raise ValueError(f"size={self.size}: maze={name} is {side}x{side}; leave the size out")
        if self.generator != "walls_first" or self.fewest_walls is not None:
            raise ValueError(f"maze={name}: its walls are known; leave generator and fewest_walls out")

    @property
    def limit(self) -> int:
        """Steps of an episode."""
        if self.max_steps is not None:
            return self.max_steps
        return 2 * self.size**2 if self.generator == "perfect" else _LIMIT

    @property
    def id(self) -> str:
        """Of the engine's task."""
        perfect = self.generator == "perfect"
        walls = 0 if perfect else self.walls
        fewest = walls if self.fewest_walls is None else self.fewest_walls
        return maze_id(self.size, self.generator, fewest, walls, self.limit, self.actions, self.maze)

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """The optimum and random play on these very levels, exactly."""
        from rewardlab.gridworld.maze_levels import scale

        random, best = scale(self.id, tuple(levels))
        return replace(task, random_return=random, optimal_return=best, optimum_kind="exact")

    def level_keys(self, seeds: Sequence[int]) -> list[bytes]:
        from rewardlab.gridworld.maze_levels import mazes_of

        return mazes_of(self.id, seeds).keys()

    def held_out(self, suite: str, episodes: int, privileged: Sequence[str]) -> list[HeldOut]:
        """The named mazes, in `max_steps` or 250 steps; and perfect mazes of two sizes, another in each environment.

        What the agent sees does not depend on the size of its mazes.
        """
        from rewardlab.envs.levels import Levels
        from rewardlab.envs.placed import Placed
        from rewardlab.gridworld.maze_levels import mazes_of, optima
        from rewardlab.gridworld.mazes import joined, named, to_state, walks
        from rewardlab.types import HeldOut

        names = tuple(name for name in named_mazes.names() for _ in range(episodes))
        mazes, count = joined([named(name) for name in names]), len(names)
        drawn = replace(self, maze=None, generator="walls_first", fewest_walls=None, max_steps=self.max_steps or _LIMIT)
        named_ones = replace(drawn, size=mazes.walls.shape[1])
        env = make(named_ones, Levels(count, lists=[[0]] * count), privileged)
        played = Placed(cast("PlaceableEnv", env), to_state(mazes))
        found = [HeldOut(played, names, optima(mazes, named_ones.limit), walks(mazes))]
        seeds = self.evaluation_seeds(episodes)
        for size in _PERFECT:
            trees = replace(drawn, size=size, generator="perfect", max_steps=None)
            env = make(trees, Levels(episodes, lists=[[seed] for seed in seeds]), privileged)
            mazes = mazes_of(trees.id, seeds)
            found.append(HeldOut(env, (f"Perfect{size}",) * episodes, optima(mazes, trees.limit), walks(mazes)))
        return found

    def on_level(self, name: str) -> Config:
        rows = named_mazes.rows(name)
        found = replace(self, maze=name, size=len(rows), generator="walls_first", fewest_walls=None)
        return replace(found, max_steps=self.max_steps or _LIMIT)

    def revision(self, setting: RootConfig) -> int:
        return 0

    def task_facts(self) -> TaskFacts:
        """Over the standard levels of evaluation."""
        from rewardlab.gridworld.distinct_levels import EVALUATED
        from rewardlab.types import TaskFacts

        if self.maze is not None:
            counted = TaskFacts(success=SUCCESS, distinct_levels=1, seen_in_training=1.0, lowest_return=0.0)
        else:
            seen = 0.0 if self._at_least() > _DRAWN * _RARE else None
            counted = TaskFacts(success=SUCCESS, seen_in_training=seen, lowest_return=0.0)
        return self.facts_on(counted, self.evaluation_seeds(EVALUATED))

    def _at_least(self) -> int:
        """So many levels there are, all about as likely."""
        area = self.size**2
        if self.generator == "perfect":
            return 48 << ((self.size - 1) // 2) ** 2
        walls = min(self.walls if self.fewest_walls is None else self.fewest_walls, area - 2)
        return 4 * area * (area - 1) * math.comb(area - 2, min(walls, 8))


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> VecEnv:
    """N copies of the task.

    Args:
        privileged: full-state facts to compute, of `facts.FACTS`; distance and situation too.

    Raises:
        UserError: another fact is asked for.
    """
    from rewardlab.envs.grids.facts import FACTS
    from rewardlab.envs.grids.fast import ViewOptions, fast_env
    from rewardlab.types import ActionSpec, EnvSpec, ObsSpec

    task, offered = find_task(config.id), (*FACTS, SITUATION, DISTANCE)
    check_privileged(config.id, privileged, offered)
    side = config.view_size
    heading = {"vector": ObsSpec((4,), "float32", bounds=((0.0,) * 4, (1.0,) * 4))}
    spec = EnvSpec(
        id=config.id,
        obs={"image": ObsSpec((side, side, 3), "uint8", 10)} | (heading if config.direction else {}),
        action=ActionSpec(n=config.actions),
        max_steps=config.limit,
        task=config.task_facts(),
        backend="fast",
        privileged=offered,
        place=((0.0, 0.0), (task.width - 1.0, task.height - 1.0)),
        downwards=True,
        mazes=config.size,
    )
    look = ViewOptions(view_size=side, see_through_walls=config.see_through_walls, heading=config.direction)
    return fast_env(config.id, spec, levels, None, privileged, look)
