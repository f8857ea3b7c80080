"""Worlds of arms: an episode is one problem of T pulls; what is shown of it, what each pull cost, and its picture.

A level fixes the problem and all chance in it, so that every learner is evaluated on the same ones. `gap` is what a
pull costs by what is expected, never by what chance made of it.

| env.show | what is seen |
|---|---|
| last | the last arm, one-hot, and what it paid; zeros at first |
| statistics | of every arm the share of T that it was pulled, and the mean of what it paid |
| none | nothing |
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import BEST, GAP, GREEDY, MAX_GAP, PICTURE, STATE_HASH, TEACHER
from rewardlab.maths.bandits import BERNOULLI, GAUSSIAN
from rewardlab.maths.counting import hash_rows
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Arms, Array, EnvSpec, Obs, ObsSpec, TaskFacts

_SQUARE = 32  # pixels of an arm's side in a picture
_ACROSS = 64  # arms in a row of a picture


@dataclass
class ArmsConfig(OwnConfig):
    TELLS_GAP = True

    show: str = option("last", "what is seen", choices=("last", "statistics", "none"))
    frames: int = option(100_000, "default training budget of a run on it", above=0, in_setting=False)

    def revision(self, setting: RootConfig) -> int:
        return 0


def arms_spec(
    config: ArmsConfig,
    name: str,
    arms: int,
    pulls: int,
    paid: tuple[float, float],
    task: TaskFacts,
    beside: Sequence[tuple[float, float]] = (),
    known: Arms | None = None,
    privileged: Sequence[str] = (),
    tells: tuple[str, ...] = (),
) -> EnvSpec:
    """What a learner may know of it.

    Args:
        paid: the least and the most that a pull pays.
        beside: likewise of each number that is shown after the rest, whatever is shown.
        known: of the arms; rules read it where the last one is shown.
        privileged: facts that it tells beside those of all.
    """
    share = [(0.0, 1.0)] * arms
    shown = {"last": [*share, paid], "statistics": [*share, *[paid] * arms], "none": [(0.0, 1.0)]}[config.show]
    low, high = zip(*shown, *beside, strict=True)
    return EnvSpec(
        id=f"{name}-{arms}",
        obs={"vector": ObsSpec((len(low),), "float32", bounds=(low, high))},
        action=ActionSpec(n=arms),
        max_steps=pulls,
        task=task,
        backend="fast",
        privileged=(GAP, BEST, GREEDY, STATE_HASH, PICTURE, *privileged),
        tells=tells,
        restorable=True,
        arms=known or Arms() if config.show == "last" else None,
    )


class ArmsEnv(ArrayEnv):
    """counts, sums: [N, K], so far. last: int64 [N], the last arm, -1 at first. reward, gap: [N], of the last pull.
    best, greedy: int64 [N], likewise. A subclass adds what its problems are.

    Attributes:
        kind: what compiled passes call its rewards, of `maths.bandits.KINDS`; None: they can't play it.
        spread: the standard deviation of rewards, of kind=gaussian.
    """

    kind: int | None = None
    spread: float = 0.0

    def __init__(self, config: ArmsConfig, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        assert spec.action.n is not None
        self.count, self._show = spec.action.n, config.show
        many = (levels.num_envs, self.count)
        self.arrays = {
            "counts": np.zeros(many),
            "sums": np.zeros(many),
            "last": np.full(levels.num_envs, -1, dtype=np.int64),
            "reward": np.zeros(levels.num_envs, dtype=np.float32),
            "gap": np.zeros(levels.num_envs),
            "best": np.zeros(levels.num_envs, dtype=np.int64),
            "greedy": np.zeros(levels.num_envs, dtype=np.int64),
        }

    @abstractmethod
    def write(self, i: int, stream: np.random.Generator) -> None:
        """Write the problem of environment i, into arrays that are zeros."""

    @abstractmethod
    def pull(self, action: Array) -> tuple[Array, Array, Array]:
        """Pull arms int64 [N]: what they pay, what that costs, and whether they are best ones, [N] each."""

    def over(self) -> Array:
        """Where a problem ends with this pull before time is up, bool [N]."""
        return np.zeros(self.num_envs, dtype=bool)

    def beside(self) -> list[Array]:
        """What else is shown, [N, ...] each."""
        return []

    def hidden(self) -> list[Array]:
        """What coming pulls depend on beside what the arms paid, [N, ...] each."""
        return []

    def drawn_problem(self, level: int) -> tuple[Array, Array, Array]:
        """A level's means [K], its table float32 [T, K] or [0, K], and the chance of all its pulls, [T] or [0]: the
        numbers that `pull` draws one by one. Only where there is a `kind`.
        """
        raise NotImplementedError

    def begin(self, i: int, stream: np.random.Generator) -> None:
        for name, array in self.arrays.items():
            array[i] = -1 if name == "last" else 0
        self.write(i, stream)

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        arrays, every = self.arrays, np.arange(self.num_envs)
        counts, sums = arrays["counts"], arrays["sums"]
        tried = np.where(counts > 0, sums / counts.clip(min=1), -np.inf)
        arrays["greedy"][:] = (counts[every, action] > 0) & (tried[every, action] == tried.max(axis=1))
        arrays["reward"][:], arrays["gap"][:], arrays["best"][:] = self.pull(action)
        arrays["last"][:] = action
        counts[every, action] += 1
        sums[every, action] += arrays["reward"]
        ended: Array = (self.steps + 1 >= self._limit) | self.over()
        return arrays["reward"].copy(), ended, np.zeros(self.num_envs, dtype=bool)

    def observe(self) -> Obs:
        arrays = self.arrays
        if self._show == "none":
            shown = [np.zeros((self.num_envs, 1))]
        elif self._show == "statistics":
            shown = [arrays["counts"] / self._limit, arrays["sums"] / arrays["counts"].clip(min=1)]
        else:
            shown = [arrays["last"][:, None] == np.arange(self.count), arrays["reward"][:, None]]
        return {"vector": np.concatenate([*shown, *self.beside()], axis=1).astype(np.float32)}

    def fact(self, name: str) -> Array:
        arrays = self.arrays
        if name in (GAP, BEST, GREEDY):
            return arrays[name].copy()
        if name == STATE_HASH:
            known = np.concatenate([arrays["counts"], arrays["sums"], *self.hidden()], axis=1)
            return hash_rows(known.view(np.int64))
        rows = -(-self.count // _ACROSS)
        across = -(-self.count // rows)
        pixels = np.zeros((self.num_envs, rows * across, 3), dtype=np.uint8)
        pixels[:, : self.count] = (40 + 200 * arrays["counts"] / self._limit).astype(np.uint8)[..., None]
        pulled = np.flatnonzero(arrays["last"] >= 0)
        pixels[pulled, arrays["last"][pulled]] = np.where(arrays["best"][pulled, None], (70, 160, 90), (190, 70, 60))
        return pictured(pixels.reshape(self.num_envs, rows, across, 3), max(2, min(_SQUARE, 1600 // across)))


class MeansEnv(ArmsEnv):
    """Arms that pay what they pay on average, and chance. means: [N, K]. max_gap: [N]. teacher: int64 [N].

    Args:
        draw: makes the means [K] of a problem, of a random stream.
        spread: standard deviation of normal noise; None: arms pay 1 with the probability of their mean, else 0.
        redraws: whether means are drawn before each pull, not for a problem.
    """

    def __init__(
        self,
        config: ArmsConfig,
        spec: EnvSpec,
        levels: Levels,
        privileged: Sequence[str],
        draw: Callable[[np.random.Generator], Array],
        spread: float | None,
        redraws: bool = False,
    ) -> None:
        spec = replace(spec, privileged=(*spec.privileged, MAX_GAP, TEACHER))
        super().__init__(config, spec, levels, privileged)
        self._draw, self.spread = draw, spread or 0.0
        self._pays_one = spread is None
        self.kind = None if redraws else BERNOULLI if spread is None else GAUSSIAN
        self._redraws = redraws
        self.arrays["means"] = np.zeros((levels.num_envs, self.count))
        self.arrays["max_gap"] = np.zeros(levels.num_envs)
        self.arrays["teacher"] = np.zeros(levels.num_envs, dtype=np.int64)

    def write(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["means"][i] = self._draw(stream)

    def pull(self, action: Array) -> tuple[Array, Array, Array]:
        means = self.arrays["means"]
        if self._redraws:
            for i, stream in enumerate(self.streams):
                means[i] = self._draw(stream)
        if TEACHER in self._asked:
            self.arrays["teacher"][:] = ucb(self.arrays["counts"], self.arrays["sums"])
        self.arrays["max_gap"][:] = means.max(axis=1) - means.min(axis=1)
        pulled, top = means[np.arange(self.num_envs), action], means.max(axis=1)
        paid: Array
        if self._pays_one:
            paid = np.array([stream.random() for stream in self.streams]) < pulled
        else:
            paid = pulled + self.spread * np.array([stream.standard_normal() for stream in self.streams])
        return paid, top - pulled, pulled == top

    def fact(self, name: str) -> Array:
        return self.arrays[name].copy() if name in (MAX_GAP, TEACHER) else super().fact(name)

    def drawn_problem(self, level: int) -> tuple[Array, Array, Array]:
        stream = np.random.default_rng(level)
        means, none = self._draw(stream), np.zeros((0, self.count), dtype=np.float32)
        chance = stream.random if self._pays_one else stream.standard_normal
        return means, none, chance(self._limit)


def ucb(counts: Array, sums: Array, c: float = 0.5) -> Array:
    """The arms int64 [N] that UCB pulls after so many pulls of each arm, which paid so much in sum, [N, K] each.

    Those that were never pulled come first, in order; then the largest mean + c sqrt(ln t / n).
    """
    grown = np.log(counts.sum(axis=1, keepdims=True) + 1.0)
    tried = counts.clip(min=1.0)
    index = np.where(counts == 0, np.inf, sums / tried + c * np.sqrt(grown / tried))
    found: Array = index.argmax(axis=1)
    return found
