"""What is told of the levels of a round, whoever designed them: how hard they are, and whether scores know it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rewardlab.maths.level_scores import SCORES, level_scores
from rewardlab.maths.ranks import rank_correlation
from rewardlab.training.cadence import Cadence
from rewardlab.types import Array, Metrics, Played, Round, State
from rewardlab.types.levels import ORIGINS, REPLAYED

METRICS = (
    *("levels/solvable", "levels/steps", "levels/walls", "levels/replayed", "levels/learned", "levels/regret"),
    *(f"levels/rank_{kind}" for kind in SCORES),
)
_MOMENTS, _AT_ONCE = 12, 4  # of a picture strip
_FEWEST = 3  # levels that an order is told of


def measures(round_: Round, played: Sequence[Played]) -> Metrics:
    """Of the first student's levels.

    solvable: the share that has a way to the goal. steps: fewest steps, mean of the solvable. walls: mean. replayed,
    learned: 1 where the round's levels were met before, and where students learn from it; else 0. regret: the optimum
    less the mean return, mean of levels of which that is known. rank_<score>: the rank correlation (Spearman) of each
    score with that regret, over levels that have both; it has no value where one of the two is the same for all.
    """
    first, levels = played[0], round_.levels[0]
    solvable, known = first.steps >= 0, np.isfinite(first.regret)
    found = {
        "levels/solvable": float(solvable.mean()),
        "levels/walls": float(levels.walls.sum()) / len(levels),
        "levels/replayed": float(round_.origin == REPLAYED),
        "levels/learned": float(round_.learn),
    }
    if solvable.any():
        found["levels/steps"] = float(first.steps[solvable].mean())
    if known.any():
        found["levels/regret"] = float(first.regret[known].mean())
    for kind in SCORES:
        score = level_scores(kind, first.advantages, first.values, first.ended, first.highest, first.tried)
        both = known & np.isfinite(score)
        if both.sum() >= _FEWEST and np.isfinite(rank := rank_correlation(score[both], first.regret[both])):
            found[f"levels/rank_{kind}"] = rank
    return found


class Shown:
    """A few levels of rounds that students learn from, at a dozen moments of the budget: for a picture strip."""

    def __init__(self, frames: int) -> None:
        self._due = Cadence(max(1, frames // _MOMENTS))
        self._rows: list[dict[str, torch.Tensor]] = []

    def see(self, frames: int, round_: Round) -> None:
        """Before a round is played, when so many frames were."""
        if not round_.learn or not self._due.due(frames):
            return
        self._due.done(frames)
        some = round_.levels[0][:_AT_ONCE]
        row = {"frames": np.array(frames), "origin": np.array(ORIGINS.index(round_.origin))}
        row |= {name: getattr(some, name) for name in ("walls", "start", "heading", "goal")}
        self._rows.append({name: torch.from_numpy(np.array(entry)) for name, entry in row.items()})

    def arrays(self) -> dict[str, Array]:
        """M moments of K levels: frames, origin (a number of `ORIGINS`) int64 [M]; walls bool [M, K, h, w]; start,
        heading, goal int64 [M, K].
        """
        names = self._rows[0] if self._rows else ()
        return {name: np.stack([row[name].numpy() for row in self._rows]) for name in names}

    def state_dict(self) -> State:
        return {"next": self._due.next, "rows": [dict(row) for row in self._rows]}

    def load_state_dict(self, state: State) -> None:
        self._due.next, self._rows = state["next"], list(state["rows"])
