"""Groups of attempts at one task; where none succeeds, the same again with ever more of a solution given.

Source: GHPO: adaptive guidance for stable and efficient LLM reinforcement learning (Liu et al. 2025, arXiv:2507.10628),
section 3: prompts that no answer of a group solves get a share of the reference solution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.schemas import option
from rewardlab.types import Array, Metrics, Outcomes, State, Trail

METRICS = ("hints/unhinted", "hints/rescued", "hints/given")
_ORDINARY = -1


@dataclass
class HintOptions:
    group: int = option(8, "attempts at each task, and again with each hint", above=0)
    ratios: list[float] = option([0.25, 0.5, 0.75], "shares of the solution that are given, one after the other")
    ordinary: float = option(0.0, "share of episodes that begin as the task has it", minimum=0, maximum=1)

    def check_ratios(self) -> None:
        """Raises:
        ValueError: they are no growing shares.
        """
        rising = all(a < b for a, b in zip([0.0, *self.ratios], [*self.ratios, 1.0], strict=True))
        if not rising:
            raise ValueError(f"ratios={list(self.ratios)}: must grow, between 0 and 1")


@dataclass
class _Group:
    """Attempts at one trail, all of them after as many of its steps.

    stage: how many hints were given. begun, ended, solved: how many attempts.
    """

    stage: int = 0
    begun: int = 0
    ended: int = 0
    solved: int = 0


class HintGroups:
    """One group at a time on each trail, on trails drawn uniformly; groups go on side by side.

    A group's attempts begin at the beginning of the trail's level. Once all have ended and none was paid, as many begin
    after the first of `ratios` of the trail's steps (rounded down), then the next. The group is over with the first
    stage at which one was paid, or with the last. A hint that is not longer than the one before is passed over. Where
    every trail has all attempts of its stage under way, an episode begins as the task has it.
    """

    def __init__(self, options: HintOptions, trails: Sequence[Trail], rng: np.random.Generator) -> None:
        self._options, self._rng = options, rng
        self._steps = [_hints(len(trail.action), options.ratios) for trail in trails]
        self._lengths = [len(trail.action) for trail in trails]
        self._open: dict[int, _Group] = {}
        self._over = [0, 0, 0]  # groups since the last metrics: all, solved without a hint, solved with one
        self._given = [0, 0.0]  # attempts that ended since then, and the shares that they were given

    def propose(self, count: int) -> tuple[Array, Array]:
        """See `Curriculum.propose`."""
        trail, step = np.full(count, _ORDINARY), np.zeros(count, dtype=np.int64)
        ordinary = self._rng.random(count) < self._options.ordinary
        for i in np.flatnonzero(~ordinary):
            if (chosen := self._chosen()) is not None:
                group = self._open[chosen]
                group.begun += 1
                trail[i], step[i] = chosen, self._steps[chosen][group.stage]
        return trail, step

    def feedback(self, ended: Outcomes) -> None:
        """See `Curriculum.feedback`."""
        for trail, step, paid in zip(
            ended.trail.tolist(), ended.step.tolist(), ended.task_return.tolist(), strict=True
        ):
            if trail == _ORDINARY:
                continue
            group = self._open[trail]
            group.ended += 1
            group.solved += paid > 0
            self._given = [self._given[0] + 1, self._given[1] + step / self._lengths[trail]]
            if group.ended == self._options.group:
                self._close(trail, group)

    def update(self, progress: float) -> Metrics:
        """See `Curriculum.update`."""
        (every, unhinted, rescued), (attempts, given) = self._over, self._given
        self._over, self._given = [0, 0, 0], [0, 0.0]
        told = {"hints/unhinted": unhinted / every, "hints/rescued": rescued / every} if every else {}
        return told | ({"hints/given": given / attempts} if attempts else {})

    def state_dict(self) -> State:
        kept = [[trail, *vars(group).values()] for trail, group in self._open.items()]
        return {"open": kept, "over": list(self._over), "given": list(self._given)}

    def load_state_dict(self, state: State) -> None:
        self._open = {trail: _Group(*counts) for trail, *counts in state["open"]}
        self._over, self._given = list(state["over"]), list(state["given"])

    def _chosen(self) -> int | None:
        """The trail of the oldest group that lacks attempts, or of a new one."""
        for trail, group in self._open.items():
            if group.begun < self._options.group:
                return trail
        free = [trail for trail in range(len(self._steps)) if trail not in self._open]
        if not free:
            return None
        drawn = free[int(self._rng.integers(len(free)))]
        self._open[drawn] = _Group()
        return drawn

    def _close(self, trail: int, group: _Group) -> None:
        """All attempts of a stage have ended."""
        if group.solved == 0 and group.stage + 1 < len(self._steps[trail]):
            self._open[trail] = _Group(group.stage + 1)
            return
        del self._open[trail]
        self._over[0] += 1
        if group.solved:
            self._over[1 if group.stage == 0 else 2] += 1


def _hints(length: int, ratios: Sequence[float]) -> list[int]:
    """How many steps are given at each stage, none at first."""
    steps = [0]
    for ratio in ratios:
        given = math.floor(ratio * length + 1e-9)
        if given > steps[-1]:
            steps.append(given)
    return steps
