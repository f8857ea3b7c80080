"""What happens within the episodes of an evaluation, where the environment tells of every step whether it was a best
one: tables of its episodes, `replicates.csv`, and of its steps, `within.csv`.

A replicate whose last best step was at t is one of those that fail from t on: the distribution of `last_best` is the
curve of suffix failures.
"""

from collections.abc import Sequence

import numpy as np

from rewardlab.facts import BEST, GAP, GREEDY
from rewardlab.types import Array, EnvSpec, Metrics, StepBatch

LOWER_BOUND = "lower_bound"  # of the regret, as `EnvConfig.regret_bound` has it
REPLICATE_COLUMNS = (
    "episode", "level", "return", "length", "regret", "last_best", "best_share", "greedy_share", "k_min_share",
    LOWER_BOUND,
)  # fmt: skip
WITHIN_COLUMNS = ("step", "episodes", "regret_mean", "return_mean", "best_share")
_POINTS = 200  # steps at most, evenly spaced on a logarithmic scale


class Within:
    """Of one evaluation, whose environments play the levels of `lists` in order.

    Attributes:
        grid: int64 [G], the steps that `within.csv` has. sums: [G, 3], over episodes, of regret, return and best steps
            up to there. counts: [G], of these episodes.
    """

    @classmethod
    def of(cls, spec: EnvSpec, lists: Sequence[Sequence[int]]) -> "Within | None":
        """None where the environment does not tell, or its episodes have no end."""
        told = {GAP, BEST, GREEDY} <= set(spec.privileged) and spec.action.n is not None and spec.max_steps is not None
        return cls(spec, lists) if told else None

    def __init__(self, spec: EnvSpec, lists: Sequence[Sequence[int]]) -> None:
        assert spec.action.n is not None and spec.max_steps is not None
        count, self._arms = len(lists), spec.action.n
        self.grid = np.unique(np.geomspace(1, spec.max_steps, _POINTS).round().astype(np.int64))
        self.sums, self.counts = np.zeros((len(self.grid), 3)), np.zeros(len(self.grid), dtype=np.int64)
        self._lists, self._ended = lists, [0] * count
        self._steps, self._last_best = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        self._totals = np.zeros((count, 4))  # regret, return, best and greedy steps of the running episodes
        self._pulls = np.zeros((count, self._arms), dtype=np.int64)
        self._rows: list[tuple[float, ...]] = []

    def add(self, batch: StepBatch, action: Array, counted: Array) -> None:
        """A step of all environments; bool [N], in which of them the episode counts."""
        facts, every = batch.privileged, np.arange(len(action))
        self._steps += 1
        added = (facts[GAP], batch.task_reward, facts[BEST], facts[GREEDY])
        self._totals += np.stack(added, axis=1)
        self._last_best = np.where(facts[BEST] > 0, self._steps, self._last_best)
        self._pulls[every, action] += 1
        points = np.searchsorted(self.grid, self._steps)
        for i in np.flatnonzero(counted & (self.grid[points.clip(max=len(self.grid) - 1)] == self._steps)).tolist():
            self.sums[points[i]] += self._totals[i, :3]
            self.counts[points[i]] += 1
        for i in np.flatnonzero(batch.terminated | batch.truncated).tolist():
            if counted[i]:
                (regret, paid, best, greedy), fewest = self._totals[i].tolist(), int(self._pulls[i].min())
                level = self._lists[i][self._ended[i]]
                self.end(level, int(self._steps[i]), paid, regret, int(self._last_best[i]), best, greedy, fewest)
            self._ended[i] += 1
            self._steps[i], self._last_best[i], self._totals[i], self._pulls[i] = 0, 0, 0.0, 0

    def end(
        self,
        level: int,
        length: int,
        paid: float,
        regret: float,
        last_best: int,
        best: float,
        greedy: float,
        fewest: int,
    ) -> None:
        """An episode that counts."""
        shares = (best / length, greedy / length, self._arms * fewest / length)
        self._rows.append((len(self._rows), level, paid, length, regret, last_best, *shares))

    def replicates(self) -> list[Metrics]:
        """Rows of `replicates.csv`, without the bound."""
        return [dict(zip(REPLICATE_COLUMNS[:-1], row, strict=True)) for row in self._rows]

    def steps(self) -> list[Metrics]:
        """Rows of `within.csv`; `best_share` is of all steps up to there."""
        found = []
        for step, count, total in zip(self.grid.tolist(), self.counts.tolist(), self.sums, strict=True):
            if count:
                means = (total / (count, count, count * step)).tolist()
                found.append(dict(zip(WITHIN_COLUMNS, (step, count, *means), strict=True)))
        return found
