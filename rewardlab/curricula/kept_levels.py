"""An archive of mazes, whole ones with their headings, and what was found out about each; the options of replay that
designers share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from rewardlab.gridworld.mazes import Mazes
from rewardlab.maths.level_scores import OVER, SCORES, level_scores
from rewardlab.parts.archives.level_archive import LevelArchive
from rewardlab.schemas import CurriculumConfig, option
from rewardlab.types import Array, Metrics, Played, State

METRICS = ("levels/fill", "levels/kept_score", "levels/kept_steps", "levels/kept_walls")
ORACLE = "oracle"
_FIELDS = ("walls", "start", "heading", "goal")


@dataclass
class ReplayConfig(CurriculumConfig):
    # The options that only replayed levels heed.
    OF_REPLAY: ClassVar[tuple[str, ...]] = (
        "score", "score_over", "temperature", "staleness_share", "archive", "min_fill",
    )  # fmt: skip

    replay_prob: float = option(
        0.5, "chance that a round replays levels, once the archive is full", minimum=0, maximum=1
    )
    learn_on_new: bool = option(True, "whether students learn from new levels; false: these are only scored")
    score: str = option("pvl", "how levels are scored; oracle: by exact regret", choices=(*SCORES, ORACLE))
    score_over: str = option("mean", "of the whole episodes of a rollout, or of the last one", choices=OVER)
    temperature: float = option(0.1, "replay goes by rank^(-1 / temperature); smaller: only the best", above=0)
    staleness_share: float = option(0.3, "of a level's weight that goes by its age", minimum=0, maximum=1)
    archive: int = option(4000, "levels that are kept", above=0, maximum=100_000)
    min_fill: float = option(
        0.5, "share of the archive that is filled before levels are replayed", minimum=0, maximum=1
    )

    def validate(self) -> None:
        if self.replay_prob > 0:
            return
        if not self.learn_on_new:
            raise ValueError("learn_on_new=false replay_prob=0: nobody would ever learn; set one of them otherwise")
        for key in self.OF_REPLAY:
            if (value := getattr(self, key)) != getattr(type(self)(), key):
                raise ValueError(f"{key}={value}: does nothing with replay_prob=0, where no level is replayed")

    def only_tried(self, count: int) -> int:
        """See `LevelDesigner.only_tried`."""
        return 0 if self.learn_on_new else max(1, math.ceil(round(self.min_fill * self.archive, 6) / count))

    def kept(self, size: int) -> KeptLevels:
        """An empty archive of one student's levels of `size` cells a side."""
        return KeptLevels(self.archive, size, self.temperature, self.staleness_share)

    def replays(self, fill: float, rng: np.random.Generator) -> bool:
        """Decided once for all environments of a round."""
        return fill >= self.min_fill and rng.random() < min(fill, self.replay_prob)

    def scores(self, found: Played) -> Array:
        """Of a student's levels, float64 [N]; NaN: none."""
        if self.score == ORACLE:
            return found.regret
        args = (found.advantages, found.values, found.ended, found.highest, found.tried)
        return level_scores(self.score, *args, self.score_over)


class KeptLevels:
    """Up to `capacity` mazes of `size` cells a side; see `LevelArchive`."""

    def __init__(self, capacity: int, size: int, temperature: float, staleness_share: float, students: int = 1) -> None:
        self.archive = LevelArchive(capacity, temperature, staleness_share, students)
        one = np.zeros(capacity, dtype=np.int64)
        self._mazes = Mazes(np.zeros((capacity, size, size), dtype=bool), one, one.copy(), one.copy())
        self._steps = one.copy()  # fewest to the goal; -1: there is no way

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Mazes, Array]:
        """Mazes one after the other by score and age, and the best returns on them, float64 [count, S]."""
        slots = self.archive.draw(count, rng)
        return self._mazes[slots], self.archive.highest[slots]

    def add(self, mazes: Mazes, scores: Array, highest: Array, steps: Array) -> None:
        """Take in how M mazes were played: new ones by score, known ones with another score.

        A maze that occurs several times has the mean of its scores. Without a score nothing new comes in.

        Args:
            scores: float64 [M], NaN: none.
            highest: float64 [M, S]. steps: int64 [M].
        """
        rows: dict[bytes, list[int]] = {}
        for row, key in enumerate(mazes.keys()):
            rows.setdefault(key, []).append(row)
        for key, same in rows.items():
            found = scores[same]
            found = found[np.isfinite(found)]
            best = highest[same].max(axis=0)
            slot = self.archive.slot_of(key)
            if slot is not None and len(found):
                self.archive.score_anew(slot, float(found.mean()), best)
            elif slot is not None:
                self.archive.raise_highest(slot, best)
            elif len(found):
                slot = self.archive.insert(key, float(found.mean()), best)
                if slot is not None:
                    self._put(slot, mazes, same[0], int(steps[same[0]]))

    def highest_of(self, mazes: Mazes) -> Array:
        """The best returns on mazes that may be here, float64 [M, S]; -inf on others."""
        of = mazes.keys()
        slots = [self.archive.slot_of(key) for key in of]
        none = np.full(self.archive.highest.shape[1], -np.inf)
        return np.stack([none if slot is None else self.archive.highest[slot] for slot in slots])

    @property
    def metrics(self) -> Metrics:
        """fill: share of slots. kept_score, kept_walls: means. kept_steps: mean of those that have a way."""
        count = len(self.archive)
        if not count:
            return {"levels/fill": 0.0}
        steps, found = self._steps[:count], {"levels/fill": self.archive.fill}
        found["levels/kept_score"] = float(self.archive.scores.mean())
        found["levels/kept_walls"] = float(self._mazes.walls[:count].sum()) / count
        if (steps >= 0).any():
            found["levels/kept_steps"] = float(steps[steps >= 0].mean())
        return found

    def state_dict(self) -> State:
        return {"archive": self.archive.state_dict(), "mazes": saved_mazes(self._mazes[: len(self.archive)])} | {
            "steps": torch.from_numpy(self._steps[: len(self.archive)].copy())
        }

    def load_state_dict(self, state: State) -> None:
        self.archive.load_state_dict(state["archive"])
        count, mazes = len(self.archive), restored_mazes(state["mazes"])
        for name in _FIELDS:
            getattr(self._mazes, name)[:count] = getattr(mazes, name)
        self._steps[:count] = state["steps"].numpy()

    def _put(self, slot: int, mazes: Mazes, row: int, steps: int) -> None:
        for name in _FIELDS:
            getattr(self._mazes, name)[slot] = getattr(mazes, name)[row]
        self._steps[slot] = steps


def saved_mazes(mazes: Mazes) -> State:
    """Mazes as a checkpoint keeps them."""
    return {name: torch.from_numpy(np.array(getattr(mazes, name))) for name in _FIELDS}


def restored_mazes(state: State) -> Mazes:
    return Mazes(*(state[name].cpu().numpy() for name in _FIELDS))
