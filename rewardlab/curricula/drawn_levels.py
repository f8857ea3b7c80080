"""Mazes drawn at random: the options of it that designers share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab.errors import UserError
from rewardlab.gridworld.mazes import Mazes, perfect, uniform, walls_first
from rewardlab.schemas import CurriculumConfig, RootConfig, option
from rewardlab.types import Array


@dataclass
class DrawnConfig(CurriculumConfig):
    generator: str = option(
        "auto",
        "how new levels are drawn, as env.generator; auto: as the environment draws them",
        choices=("auto", "walls_first", "uniform", "perfect"),
    )
    walls: int | None = option(None, "as env.walls; null: as the environment has it", minimum=0, maximum=10_000)
    fewest_walls: int | None = option(
        None, "with it, their number is drawn for each level, from this to walls; null: as env.fewest_walls", minimum=0
    )

    def settle(self, setting: RootConfig) -> None:
        env = setting.env
        if self.generator == "auto":
            self.generator = getattr(env, "generator", "walls_first")
        if self.walls is None:
            self.walls = getattr(env, "walls", 0)
            if self.fewest_walls is None and self.generator != "perfect":
                self.fewest_walls = getattr(env, "fewest_walls", None)

    def check_size(self, size: int) -> None:
        """Raises:
        UserError: mazes of this side can't be drawn so.
        """
        if self.fewest_walls is not None and self.generator == "perfect":
            raise UserError("curriculum.fewest_walls: a perfect maze has the walls that it needs; leave it out")
        if self.fewest_walls is not None and self.fewest_walls > (self.walls or 0):
            raise UserError(f"curriculum.fewest_walls={self.fewest_walls}: must be at most walls={self.walls or 0}")
        if self.generator == "perfect" and size % 2 == 0:
            raise UserError(
                f"curriculum.generator=perfect: perfect mazes have an odd side, and these have {size} cells"
            )
        if self.generator == "uniform" and (self.walls or 0) > (most := size**2 - 2):
            raise UserError(f"curriculum.walls={self.walls}: beside goal and agent, {size}x{size} cells hold {most}")

    def draw(self, count: int, size: int, rng: np.random.Generator) -> Mazes:
        """New levels of `size` cells a side."""
        if self.generator == "perfect":
            return perfect(count, size, rng)
        most = self.walls or 0
        walls: Array = np.full(count, most)
        if self.fewest_walls is not None:
            walls = rng.integers(self.fewest_walls, most + 1, size=count)
        return (uniform if self.generator == "uniform" else walls_first)(count, size, walls, rng)
