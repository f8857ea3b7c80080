"""Starting points that move backwards along trails, from just before the end to the beginning.

Sources: Salimans and Chen 2018, Learning Montezuma's Revenge from a single demonstration (arXiv:1812.03381), section 3;
Resnick et al. 2018, Backplay: man muss immer umkehren (arXiv:1807.06919), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.schemas import option
from rewardlab.types import Array, Metrics, Outcomes, State, Trail

METRICS = ("starts/reach", "starts/matched")
_ORDINARY = -1


@dataclass
class BackwardOptions:
    advance: str = option(
        "success", "what moves the starts back: matched returns, or the budget", choices=("success", "schedule")
    )
    frontier: str = option(
        "shared", "one distance from the end for all demonstrations, or one of each", choices=("shared", "each")
    )
    stride: int = option(5, "steps by which the starts move back at a time", above=0)
    window: int | None = option(None, "starts lie within this of the farthest; null: up to the end", above=0)
    match: float = option(0.8, "share of the demonstration's return that an episode must reach", minimum=0)
    threshold: float = option(
        0.5, "share of the latest episodes from the farthest starts that must", above=0, maximum=1
    )
    trials: int = option(100, "how many episodes that is a share of (frontier=each: of each demonstration)", above=0)
    until: float = option(0.5, "advance=schedule: share of the budget at which starts reach the beginning", above=0)
    ordinary: float = option(0.1, "share of episodes that begin as the task has it", minimum=0, maximum=1)
    ordinary_after: float = option(0.5, "the same once starts have reached the beginning", minimum=0, maximum=1)


class BackwardStarts:
    """Draws starting points, and moves them back.

    An episode begins on a trail drawn uniformly, d steps before its end, d uniform in [1, reach] (or in the `window`
    farthest steps of that). advance=success: once `threshold` of the latest `trials` episodes that began within a
    stride of the reach got `match` of what the trail was paid from there on, the reach grows by `stride`.
    advance=schedule: it grows linearly with the budget. Ends when it is the longest trail's length.
    """

    def __init__(self, options: BackwardOptions, trails: Sequence[Trail], rng: np.random.Generator) -> None:
        self._options, self._rng = options, rng
        self._lengths = np.array([len(trail.action) for trail in trails], dtype=np.int64)
        self._paid = [np.cumsum(trail.reward[::-1])[::-1] for trail in trails]  # from each step on
        each = options.frontier == "each" and len(trails) > 0
        self._group = np.arange(len(trails)) if each else np.zeros(len(trails), dtype=np.int64)
        self._longest = self._lengths if each else self._lengths.max(initial=1, keepdims=True)
        self.reach = np.minimum(options.stride, self._longest)
        self._latest: list[list[bool]] = [[] for _ in self.reach]
        self._matched: list[bool] = []  # at the farthest starts, since the last metrics

    @property
    def finished(self) -> bool:
        """Whether starts have come to the beginning of every trail."""
        return bool((self.reach >= self._longest).all())

    def propose(self, count: int) -> tuple[Array, Array]:
        """See `Curriculum.propose`."""
        options, rng = self._options, self._rng
        trail, step = np.full(count, _ORDINARY), np.zeros(count, dtype=np.int64)
        ordinary = rng.random(count) < (options.ordinary_after if self.finished else options.ordinary)
        if not len(self._lengths):
            return trail, step
        drawn = rng.integers(len(self._lengths), size=count)
        reach = np.minimum(self.reach[self._group[drawn]], self._lengths[drawn])
        nearest = np.ones_like(reach) if options.window is None else np.maximum(reach - options.window + 1, 1)
        before_end = rng.integers(nearest, reach + 1)
        return np.where(ordinary, trail, drawn), np.where(ordinary, 0, self._lengths[drawn] - before_end)

    def feedback(self, ended: Outcomes) -> None:
        """See `Curriculum.feedback`."""
        options = self._options
        for trail, step, paid in zip(
            ended.trail.tolist(), ended.step.tolist(), ended.task_return.tolist(), strict=True
        ):
            if trail == _ORDINARY:
                continue
            group = int(self._group[trail])
            reach = min(int(self.reach[group]), int(self._lengths[trail]))
            if self._lengths[trail] - step <= reach - options.stride:
                continue  # not among the farthest
            matched = paid > 0 and paid >= options.match * float(self._paid[trail][step]) - 1e-6
            self._matched.append(matched)
            latest = self._latest[group]
            latest.append(matched)
            if options.advance == "success" and len(latest) >= options.trials:
                del latest[: -options.trials]
                if sum(latest) >= options.threshold * options.trials:
                    self.reach[group] = min(self.reach[group] + options.stride, self._longest[group])
                    latest.clear()

    def update(self, progress: float) -> Metrics:
        """See `Curriculum.update`."""
        if self._options.advance == "schedule":
            share = min(progress / self._options.until, 1.0)
            self.reach = np.maximum(self.reach, np.ceil(share * self._longest).astype(np.int64))
        metrics = {"starts/reach": float((self.reach / self._longest).mean())}
        if self._matched:
            metrics["starts/matched"] = sum(self._matched) / len(self._matched)
        self._matched = []
        return metrics

    def state_dict(self) -> State:
        latest = [[bool(value) for value in values] for values in self._latest]
        return {"reach": self.reach.tolist(), "latest": latest, "matched": list(self._matched)}

    def load_state_dict(self, state: State) -> None:
        self.reach = np.array(state["reach"], dtype=np.int64)
        self._latest, self._matched = [list(values) for values in state["latest"]], list(state["matched"])
