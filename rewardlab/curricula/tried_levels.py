"""Many random levels are tried now and then, and some of them are kept for the rounds that follow: the designers that
differ only in which ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from rewardlab.curricula.drawn_levels import DrawnConfig
from rewardlab.curricula.kept_levels import restored_mazes, saved_mazes
from rewardlab.errors import UserError
from rewardlab.gridworld.mazes import Mazes, distances, joined
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Played, Round, State
from rewardlab.types.levels import NEW, REPLAYED, SAMPLED


@dataclass
class TriedConfig(DrawnConfig):
    sampled: int = option(256, "levels that are tried for a choice", above=0)
    # A failure takes all the steps of an episode, which may be a whole rollout.
    rollouts: int = option(4, "rollouts that each of them is tried for; in one, none fails and succeeds", minimum=2)
    keep: int = option(64, "levels that are kept of them, at most", above=0)
    every: int = option(50, "rounds between choices", above=0)
    share: float = option(0.5, "of each round's levels that are kept ones; the others are new", minimum=0, maximum=1)


class TriedLevels:
    """Levels that are kept, and those that are being tried. Nobody learns while they are."""

    turns: ClassVar[dict[str, str]] = {"on_policy": "level_rounds"}
    students = 1
    assumes = frozenset({"level_design"})
    metrics: tuple[str, ...] = (
        "levels/accepted",
        "levels/kept",
        "levels/kept_score",
        "levels/kept_steps",
        "levels/kept_walls",
    )
    counts: tuple[str, ...] = metrics

    def __init__(self, config: TriedConfig, context: BuildContext) -> None:
        """Raises:
        UserError: mazes of this size can't be drawn so, or more are to be kept than are tried.
        """
        config.check_size(context.spec.mazes)
        if config.keep > config.sampled:
            raise UserError(f"curriculum.keep={config.keep}: must be at most curriculum.sampled={config.sampled}")
        self._tries, self._size = config, context.spec.mazes
        self._tried: list[Mazes] = []
        self._scores: list[Array] = []
        self._kept: Mazes | None = None
        self._told: Metrics = {}
        self._left = 0  # rounds before others are chosen

    def propose(self, count: int, rng: np.random.Generator) -> Mazes:
        """Levels to try."""
        return self._tries.draw(count, self._size, rng)

    def score(self, levels: Mazes, found: Played) -> Array:
        """float64 [N], of levels that `propose` gave last and that were tried. NaN: not known, as 0."""
        raise NotImplementedError

    def design(self, count: int, rng: np.random.Generator) -> Round:
        config, kept = self._tries, self._kept
        none = (np.full(count, -np.inf),)
        if self._left == 0:
            return Round((self.propose(count, rng),), none, False, SAMPLED, config.rollouts)
        old = round(config.share * count) if kept is not None and len(kept) else 0
        levels = config.draw(count - old, self._size, rng)
        if kept is not None and old:
            levels = joined([kept[rng.integers(len(kept), size=old)], levels])
        return Round((levels,), none, True, REPLAYED if old else NEW)

    def only_tried(self, count: int) -> int:
        return math.ceil(self._tries.sampled / count) * self._tries.rollouts

    def played(self, round_: Round, played: Sequence[Played]) -> Metrics:
        if round_.origin != SAMPLED:
            self._left -= 1
            return {}
        (levels,), (found,) = round_.levels, played
        self._tried.append(levels)
        self._scores.append(np.nan_to_num(self.score(levels, found)))
        if sum(map(len, self._tried)) >= self._tries.sampled:
            self._change(joined(self._tried), np.concatenate(self._scores))
        return {}

    def update(self, progress: float) -> Metrics:
        return self._told

    def state_dict(self) -> State:
        return {
            "tried": [saved_mazes(levels) for levels in self._tried],
            "scores": [torch.from_numpy(scores.copy()) for scores in self._scores],
            "kept": None if self._kept is None else saved_mazes(self._kept),
            "told": dict(self._told),
            "left": self._left,
        }

    def load_state_dict(self, state: State) -> None:
        self._tried = [restored_mazes(levels) for levels in state["tried"]]
        self._scores = [scores.numpy() for scores in state["scores"]]
        self._kept = None if state["kept"] is None else restored_mazes(state["kept"])
        self._told, self._left = dict(state["told"]), state["left"]

    def choose(self, levels: Mazes, scores: Array) -> Array:
        """Which of all that were tried are kept, int64 [K]."""
        best = np.argsort(-scores, kind="stable")[: self._tries.keep]
        return best[scores[best] > 0]

    def _change(self, levels: Mazes, scores: Array) -> None:
        """Keep others; tell the share of levels whose scores are above 0, and means of what is kept."""
        best = self.choose(levels, scores)
        self._kept, self._left = levels[best], self._tries.every
        self._tried, self._scores = [], []
        self._told = {"levels/accepted": float((scores > 0).mean()), "levels/kept": float(len(best))}
        if len(best):
            self._told["levels/kept_score"] = float(scores[best].mean())
            self._told["levels/kept_walls"] = float(self._kept.walls.sum()) / len(best)
            self._told["levels/kept_steps"] = float(distances(self._kept).mean())
