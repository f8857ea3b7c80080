"""What is asked of written code before anything is trained on it.

The mechanical half of the Critic of Auto MC-Reward (Li et al. 2023, arXiv:2312.09238): shapes, finite numbers, the same
numbers whenever and wherever it is asked, each row by itself, not always the same; and a warning where a reward pays
more for staying than for finishing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from rewardlab.errors import CodeError
from rewardlab.parts.written_code import FUNCTIONS, WrittenCode, check_fields, kind_of
from rewardlab.parts.written_state import StateLayout
from rewardlab.sandbox.process import ROWS, Field
from rewardlab.schemas import RootConfig
from rewardlab.types import Array
from rewardlab.writing.sample import Sample

LARGEST = 1000.0  # of what is paid
SLOWEST = 0.05  # seconds of computing for as many rows as a request holds; most code needs a tenth of that or less
_ALIKE = 1e-6
_BETTER = {"reward": "write a potential", "potential": "let the potential rise up to success"}


@dataclass
class Column:
    """What one number is on the sample."""

    least: float
    mean: float
    most: float


@dataclass
class Verdict:
    """What became of it.

    problems: why it is refused; none: it is accepted. warnings: what its author should know. columns: by name.
    correlation: Spearman's, of what it says of states or steps with less distance to success; None: nothing to compare.
    """

    kind: str = ""
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    columns: dict[str, Column] = field(default_factory=dict)
    correlation: float | None = None

    def lines(self) -> list[str]:
        """All of it, to be read."""
        told = [f"  {name}: {each.least:g} to {each.most:g}, mean {each.mean:g}" for name, each in self.columns.items()]
        if self.correlation is not None:
            told.append(f"  rank correlation with nearness to success: {self.correlation:.2f}")
        told += [f"  warning: {line}" for line in self.warnings]
        return told + [f"  refused: {line}" for line in self.problems]


def judge(source: str, sample: Sample, layout: StateLayout, config: RootConfig) -> Verdict:
    """Try code on transitions.

    Args:
        config: whose reward is `written`, and under which finishing is compared with staying.
    """
    verdict = Verdict()
    try:
        verdict.kind = kind_of(source)
        check_fields(source, layout)
    except ValueError as error:
        verdict.problems.append(str(error))
        return verdict
    asked = _Asked(source, sample, layout)
    try:
        _compare(asked, verdict)
    except CodeError as error:
        verdict.problems.append(str(error))
    finally:
        asked.close()
    if not verdict.problems:
        _tell(asked, sample, verdict)
        if verdict.kind in _BETTER:
            _finishing(asked.told, sample, verdict, config)
    return verdict


class _Asked:
    """Code, asked of rows of a sample in several orders and by two processes."""

    def __init__(self, source: str, sample: Sample, layout: StateLayout) -> None:
        self._before, self._after = layout.arrays(sample.before), layout.arrays(sample.after)
        self._action = sample.action
        box = sample.spec.action
        field_ = Field("action", None, "int64") if box.discrete else Field("action", None, "float32", box.shape)
        self.codes = [WrittenCode(source, layout, field_) for _ in range(2)]
        self.count = len(sample.action)
        self.told: dict[str, Array] = {}

    def of(self, rows: Array, which: int = 0) -> dict[str, Array]:
        code = self.codes[which]
        after = {name: each[rows] for name, each in self._after.items()}
        if code.of_states:
            return code.of(state=after)
        return code.of(
            before={name: each[rows] for name, each in self._before.items()}, action=self._action[rows], after=after
        )

    def seconds(self) -> float:
        """What a full request takes at best, of the time that the code computed; 0 where nobody tells that."""
        rows, code, taken = np.resize(np.arange(self.count), ROWS), self.codes[0], list[float]()
        for _ in range(2):
            began = code.cpu_seconds
            self.of(rows)
            ended = code.cpu_seconds
            taken.append(0.0 if began is None or ended is None else ended - began)
        return min(taken)

    def close(self) -> None:
        for code in self.codes:
            code.close()


def _compare(asked: _Asked, verdict: Verdict) -> None:
    rows = np.arange(asked.count)
    told = asked.told = asked.of(rows)
    for name, column in told.items():
        if not np.isfinite(column).all():
            verdict.problems.append(
                f"{name} is not finite in {(~np.isfinite(column)).mean():.0%} of {asked.count} rows"
            )
        elif np.abs(column).max() > LARGEST:
            verdict.problems.append(f"{name} reaches {np.abs(column).max():g} (allowed: {LARGEST:g})")
    if verdict.problems:
        return
    named = [name for name in asked.codes[0].rising if name not in told] if verdict.kind == "progress" else []
    if named:
        verdict.problems.append(f"RISING names {', '.join(named)}, and progress returns {', '.join(told)}")
        return
    backwards = asked.of(rows[::-1])
    halves = [asked.of(part) for part in np.array_split(rows, 2)]
    again, elsewhere = asked.of(rows), asked.of(rows, which=1)
    for name, column in told.items():
        if not (np.array_equal(again[name], column) and np.array_equal(elsewhere[name], column)):
            verdict.problems.append(f"{name} is not the same when the same rows are asked for again")
        split = np.concatenate([half[name] for half in halves])
        apart = np.abs(np.stack([backwards[name][::-1], split]) - column).max()
        if not apart <= _ALIKE * max(
            1.0, float(np.abs(column).max())
        ):  # not a number where the other rows' spread is 0
            verdict.problems.append(f"{name} of a row depends on the other rows")
    paid = [told[name] for name in FUNCTIONS[verdict.kind] if name in told] or list(told.values())
    if all(column.min() == column.max() for column in paid):
        verdict.problems.append(f"is {paid[0][0]:g} in all of {asked.count} rows")
    if not verdict.problems and (taken := asked.seconds()) > SLOWEST:
        verdict.problems.append(
            f"computes {taken:.2f} s for {ROWS} rows (allowed: {SLOWEST:g}): let numpy do all rows at once"
        )


def _tell(asked: _Asked, sample: Sample, verdict: Verdict) -> None:
    verdict.columns = {
        name: Column(float(each.min()), float(each.mean()), float(each.max())) for name, each in asked.told.items()
    }
    if sample.distance is not None:
        first = next(iter(asked.told.values()))
        reached = sample.distance >= 0
        said, near = first[reached], -sample.distance[reached]
        if len(near) and np.ptp(said) > 0 and np.ptp(near) > 0:
            verdict.correlation = float(spearmanr(said, near).statistic)


def _finishing(told: dict[str, Array], sample: Sample, verdict: Verdict, config: RootConfig) -> None:
    """Whether walking a solved way to its end returns less than staying, for good, at its best place."""
    limit, gamma = sample.spec.max_steps, config.agent.gamma
    options: Any = config.reward
    if limit is None or options.pay == "potential":
        return
    worse, solved = 0, 0
    for way in range(sample.way.max() + 1):
        rows = np.flatnonzero(sample.way == way)
        if len(rows) < 2 or sample.task_reward[rows[-1]] <= 0:
            continue
        solved += 1
        discounts = gamma ** np.arange(len(rows))
        paid = told[FUNCTIONS[verdict.kind][0]][rows]
        if verdict.kind == "potential" and options.pay != "direct":
            paid = np.diff(paid, prepend=paid[0])
            paid[-1] = 0.0  # the end
            returns = (discounts * paid).cumsum()
            stayed = returns.max()
        else:
            returns, best = (discounts * paid).cumsum(), int(paid[:-1].argmax())
            stayed = returns[best] + paid[best] * (gamma ** np.arange(best + 1, limit)).sum()
        task = float((discounts * sample.task_reward[rows]).sum())
        worse += options.coef * float(stayed) > options.coef * float(returns[-1]) + options.task_coef * task
    if worse:
        where = f"on {worse} of {solved} solved levels"
        verdict.warnings.append(f"staying pays more than finishing {where}: {_BETTER[verdict.kind]}, or pay less")
