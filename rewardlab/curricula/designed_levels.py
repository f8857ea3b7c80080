"""Designed levels: mazes drawn at random, and replayed and edited by how much they seem to teach

Paper: Jiang et al. 2021, Replay-guided adversarial environment design (arXiv:2110.02439)
Assumes: level_design

Each round is one level for every environment, held for a rollout. Either all levels are new, or all come from an
archive that keeps those of high score; new ones are drawn at random. With edits, a replayed round is followed by one
with edited copies of its levels, from which nobody learns.

| choice | |
|---|---|
| domain_random | new levels always |
| plr | Jiang et al. 2021, Prioritized level replay (arXiv:2010.03934), on levels made here |
| robust_plr | nobody learns from new levels: Jiang et al. 2021, Replay-guided adversarial environment design |
| accel | Parker-Holder et al. 2022, Evolving curricula with regret-based environment design (arXiv:2203.01302) |
| oracle_plr | robust_plr, scored by the exact regret: ours |

Rules are those of facebookresearch/dcd, but for its faults: a level keeps its heading when it is stored, and scores are
means over the whole episodes of a rollout (score_over=last is dcd's). parents=easy takes the easiest levels; dcd's code
takes the least easy ones, and its comment says the opposite. Every rollout counts as frames, also those that are only
tried, which published figures leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rewardlab.curricula.drawn_levels import DrawnConfig
from rewardlab.curricula.kept_levels import METRICS, ORACLE, KeptLevels, ReplayConfig, restored_mazes, saved_mazes
from rewardlab.gridworld.mazes import Mazes, mutate
from rewardlab.schemas import option
from rewardlab.types import Array, BuildContext, Metrics, Played, Round, State
from rewardlab.types.levels import EDITED, NEW, REPLAYED

VERSION = 1
_EASY = 4  # parents of a round, as dcd has it


@dataclass
class Config(DrawnConfig, ReplayConfig):
    OF_REPLAY: ClassVar[tuple[str, ...]] = (*ReplayConfig.OF_REPLAY, "edits", "parents")

    edits: int = option(0, "cells that are changed in copies of replayed levels; 0: no copies are made", minimum=0)
    parents: str = option(
        "batch", "whose copies: each replayed level's, or those of the 4 easiest", choices=("batch", "easy")
    )

    def validate(self) -> None:
        super().validate()
        if self.edits == 0 and self.parents != "batch":
            raise ValueError(f"parents={self.parents}: of what? without edits no copies are made")


class Designer:
    """One student; the archive, and the parents whose copies come next."""

    turns: ClassVar[dict[str, str]] = {"on_policy": "level_rounds"}
    students = 1

    def __init__(self, config: Config, context: BuildContext) -> None:
        """Raises:
        UserError: mazes of this size can't be drawn so.
        """
        config.check_size(context.spec.mazes)
        self._config, self._size = config, context.spec.mazes
        self._parents: Mazes | None = None
        self._kept: KeptLevels | None = None
        self.metrics: tuple[str, ...] = ()
        self.counts: tuple[str, ...] = ()
        if config.replay_prob > 0:
            self._kept = config.kept(self._size)
            self.metrics, self.counts = ("levels/score", *METRICS), METRICS
        self.assumes = frozenset({"level_design", "privileged"} if config.score == ORACLE else {"level_design"})

    def design(self, count: int, rng: np.random.Generator) -> Round:
        config, kept = self._config, self._kept
        if self._parents is not None:
            levels, self._parents = mutate(self._parents, config.edits, rng), None
            return self._round(levels, False, EDITED)
        if kept is not None and config.replays(kept.archive.fill, rng):
            levels, highest = kept.draw(count, rng)
            return Round((levels,), (highest[:, 0],), True, REPLAYED)
        return self._round(config.draw(count, self._size, rng), config.learn_on_new, NEW)

    def only_tried(self, count: int) -> int:
        return self._config.only_tried(count)

    def played(self, round_: Round, played: Sequence[Played]) -> Metrics:
        (levels,), (found,), kept = round_.levels, played, self._kept
        if kept is None:
            return {}
        scores = self._config.scores(found)
        kept.add(levels, scores, found.highest[:, None], found.steps)
        if self._config.edits and round_.origin == REPLAYED:
            self._parents = levels if self._config.parents == "batch" else levels[_easiest(found)]
        known = np.isfinite(scores)
        return {"levels/score": float(scores[known].mean())} if known.any() else {}

    def update(self, progress: float) -> Metrics:
        return {} if self._kept is None else self._kept.metrics

    def state_dict(self) -> State:
        return {
            "kept": None if self._kept is None else self._kept.state_dict(),
            "parents": None if self._parents is None else saved_mazes(self._parents),
        }

    def load_state_dict(self, state: State) -> None:
        if self._kept is not None:
            self._kept.load_state_dict(state["kept"])
        self._parents = None if state["parents"] is None else restored_mazes(state["parents"])

    def _round(self, levels: Mazes, learn: bool, origin: str) -> Round:
        none = np.full((len(levels), 1), -np.inf)
        return Round((levels,), ((none if self._kept is None else self._kept.highest_of(levels))[:, 0],), learn, origin)


def _easiest(found: Played) -> Array:
    """int64 [N]: the levels of the highest mean return less half the squared advantages, each as often as others."""
    ease = np.nan_to_num(found.tried.mean) - 0.5 * (found.advantages**2).mean(axis=0)
    best = np.argsort(-ease, kind="stable")[:_EASY]
    return np.resize(best, len(ease))
