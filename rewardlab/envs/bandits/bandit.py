"""Bandit: K arms, T pulls; an episode is one problem, whose arms pay what they pay until it ends

Papers: Lai and Robbins 1985; Slivkins 2019, Introduction to multi-armed bandits (arXiv:1904.07272)

A level is a problem: it fixes what arms pay on average and all chance, so that every learner is evaluated on the same
ones. `agent=bandit` has rules that remember one problem; learners with a memory, or that are shown statistics, learn to
explore over many.

| env.kind | an arm pays |
|---|---|
| bernoulli | 1 with a probability of its own, else 0; U(0, 1), or `env.means` in an order drawn anew |
| gaussian | N(mu, variance), mu of N(0, variance) or `env.means` |
| adversarial | 0 or 1, from a table that is drawn first: its probabilities, U(0, 1), change `env.phases` - 1 times |

| env.show | what is seen |
|---|---|
| last | the last arm, one-hot, and what it paid; zeros at first |
| statistics | of every arm the share of T that it was pulled, and the mean of what it paid |
| none | nothing |

`gap` is what a pull costs: the best mean less that of the arm, never what chance made of it. In the adversarial kind it
is what the arm that is best in hindsight pays there, less what the pulled one does: it may be below 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import BEST, GAP, GREEDY, PICTURE, STATE_HASH
from rewardlab.maths.counting import hash_rows
from rewardlab.maths.regret_bounds import lai_robbins
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
_SQUARE = 32  # pixels of an arm's side in a picture


@dataclass
class Config(OwnConfig):
    TELLS_GAP = True

    kind: str = option("bernoulli", "what arms pay", choices=("bernoulli", "gaussian", "adversarial"))
    k: int | None = option(None, "number of arms; null: 5, or as many as means", minimum=2, maximum=1000)
    steps: int = option(100, "pulls of a problem", above=0, maximum=100_000)
    means: list[float] = option(
        [], "mean rewards of the arms, in an order that each problem draws; none: all are drawn"
    )
    variance: float = option(1.0, "of a reward, and of the means, of kind=gaussian", above=0)
    phases: int = option(4, "of kind=adversarial: stretches of a problem with probabilities of their own", above=0)
    show: str = option("last", "what is seen", choices=("last", "statistics", "none"))
    frames: int = option(100_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        if self.means and (len(self.means) < 2 or self.k not in (None, len(self.means))):
            raise ValueError(f"means has {len(self.means)} numbers: must be one for each of at least 2 arms, k of them")
        if self.kind == "bernoulli" and not all(0 <= mean <= 1 for mean in self.means):
            raise ValueError("means: probabilities lie within 0 and 1; or set kind=gaussian")
        if self.kind == "adversarial" and self.means:
            raise ValueError("means: kind=adversarial draws its own; leave them out")
        if self.kind != "gaussian" and self.variance != 1.0:
            raise ValueError(f"variance={self.variance:g}: only kind=gaussian has one")
        if self.kind != "adversarial" and self.phases != 4:
            raise ValueError(f"phases={self.phases}: only kind=adversarial has them")
        if self.kind == "adversarial" and self.steps * self.arms > 1_000_000:
            raise ValueError(f"steps={self.steps}: a table of so many pulls of {self.arms} arms is more than 1000000")

    @property
    def arms(self) -> int:
        return len(self.means) or self.k or 5

    def revision(self, setting: RootConfig) -> int:
        return 0

    def regret_bound(self, level: int) -> float | None:
        """Lai and Robbins'; none in the adversarial kind."""
        if self.kind == "adversarial":
            return None
        means, _ = problem(self, np.random.default_rng(level))
        return lai_robbins(means, self.steps, self.variance if self.kind == "gaussian" else None)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Bandit":
    """N problems at a time.

    Args:
        privileged: full-state facts to compute: gap, best, greedy, state_hash, picture.
    """
    arms, low, high = config.arms, 0.0, 1.0
    if config.kind == "gaussian":
        low, high = -np.inf, np.inf
    size = {"last": arms + 1, "statistics": 2 * arms, "none": 1}[config.show]
    paid = {"last": [arms], "statistics": range(arms, 2 * arms), "none": []}[config.show]
    bounds = tuple(
        tuple(edge if i in paid else inner for i in range(size)) for edge, inner in ((low, 0.0), (high, 1.0))
    )
    spec = EnvSpec(
        id=f"Bandit-{config.kind}-{arms}",
        obs={"vector": ObsSpec((size,), "float32", bounds=(bounds[0], bounds[1]))},
        action=ActionSpec(n=arms),
        max_steps=config.steps,
        task=_task(config),
        backend="fast",
        privileged=(GAP, BEST, GREEDY, STATE_HASH, PICTURE),
        restorable=True,
    )
    return Bandit(config, spec, levels, privileged)


class Bandit(ArrayEnv):
    """means: [N, K]. table: float32 [N, T, K], of the adversarial kind. counts, sums: [N, K], so far. last: int64 [N],
    the last arm, -1 at first. reward, gap: [N], of the last pull. best, greedy: int64 [N], likewise.
    """

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self.config, count, arms = config, levels.num_envs, config.arms
        pulls = config.steps if config.kind == "adversarial" else 0
        self.arrays = {
            "means": np.zeros((count, arms)),
            "table": np.zeros((count, pulls, arms), dtype=np.float32),
            "counts": np.zeros((count, arms)),
            "sums": np.zeros((count, arms)),
            "last": np.full(count, -1, dtype=np.int64),
            "reward": np.zeros(count, dtype=np.float32),
            "gap": np.zeros(count),
            "best": np.zeros(count, dtype=np.int64),
            "greedy": np.zeros(count, dtype=np.int64),
        }

    def begin(self, i: int, stream: np.random.Generator) -> None:
        for name, array in self.arrays.items():
            array[i] = -1 if name == "last" else 0
        self.arrays["means"][i], self.arrays["table"][i] = problem(self.config, stream)

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        arrays, every = self.arrays, np.arange(self.num_envs)
        means, counts, sums = arrays["means"], arrays["counts"], arrays["sums"]
        tried = np.where(counts > 0, sums / counts.clip(min=1), -np.inf)
        arrays["greedy"][:] = (counts[every, action] > 0) & (tried[every, action] == tried.max(axis=1))
        if self.config.kind == "adversarial":
            leader = arrays["table"].sum(axis=1, dtype=np.float64).argmax(axis=1)
            here = arrays["table"][every, self.steps]
            reward = here[every, action]
            arrays["gap"][:] = here[every, leader].astype(np.float64) - reward
            arrays["best"][:] = action == leader
        else:
            pulled, top = means[every, action], means.max(axis=1)
            arrays["gap"][:], arrays["best"][:] = top - pulled, pulled == top
            if self.config.kind == "bernoulli":
                reward = np.array([stream.random() for stream in self.streams]) < pulled
            else:
                chance = np.array([stream.standard_normal() for stream in self.streams])
                reward = pulled + self.config.variance**0.5 * chance
        arrays["reward"][:], arrays["last"][:] = reward, action
        counts[every, action] += 1
        sums[every, action] += arrays["reward"]
        ended: Array = self.steps + 1 >= self._limit
        return arrays["reward"].copy(), ended, np.zeros(self.num_envs, dtype=bool)

    def observe(self) -> Obs:
        arrays, arms = self.arrays, self.config.arms
        if self.config.show == "none":
            return {"vector": np.zeros((self.num_envs, 1), dtype=np.float32)}
        if self.config.show == "statistics":
            shown = [arrays["counts"] / self._limit, arrays["sums"] / arrays["counts"].clip(min=1)]
        else:
            shown = [arrays["last"][:, None] == np.arange(arms), arrays["reward"][:, None]]
        return {"vector": np.concatenate(shown, axis=1).astype(np.float32)}

    def fact(self, name: str) -> Array:
        arrays = self.arrays
        if name in (GAP, BEST, GREEDY):
            return arrays[name].copy()
        if name == STATE_HASH:
            known = np.concatenate([arrays["counts"], arrays["sums"]], axis=1)
            return hash_rows(known.view(np.int64))
        pixels = np.zeros((self.num_envs, 1, self.config.arms, 3), dtype=np.uint8)
        pixels[:, 0] = (40 + 200 * arrays["counts"] / self._limit).astype(np.uint8)[..., None]
        pulled = np.flatnonzero(arrays["last"] >= 0)
        pixels[pulled, 0, arrays["last"][pulled]] = np.where(arrays["best"][pulled, None], (70, 160, 90), (190, 70, 60))
        return pictured(pixels, max(2, min(_SQUARE, 1600 // self.config.arms)))


def problem(config: Config, stream: np.random.Generator) -> tuple[Array, Array]:
    """Means [K], and a table of what arms pay, float32 [T, K], with no rows but in the adversarial kind.

    What chance does at each pull is drawn from the stream afterwards.
    """
    arms, steps = config.arms, config.steps
    if config.kind == "adversarial":
        phase = np.arange(steps) * config.phases // steps
        chances = stream.random((config.phases, arms))
        return np.zeros(arms), (stream.random((steps, arms)) < chances[phase]).astype(np.float32)
    if config.means:
        means = stream.permutation(np.array(config.means, dtype=np.float64))
    elif config.kind == "bernoulli":
        means = stream.random(arms)
    else:
        means = config.variance**0.5 * stream.standard_normal(arms)
    return means, np.zeros((0, arms), dtype=np.float32)


def _task(config: Config) -> TaskFacts:
    """Over all problems; what the best arms pay is a bound, which nobody reaches who does not know them."""
    if config.kind == "adversarial":
        return TaskFacts(0.5 * config.steps)
    if config.means:
        random, best = float(np.mean(config.means)), max(config.means)
    elif config.kind == "bernoulli":
        random, best = 0.5, config.arms / (config.arms + 1)
    else:
        random, best = 0.0, config.variance**0.5 * _largest_of(config.arms)
    return TaskFacts(config.steps * random, config.steps * best, "bound")


def _largest_of(count: int) -> float:
    """The mean of the largest of so many numbers of N(0, 1): the integral of x over the power of their distribution."""
    from scipy.special import ndtr

    x = np.linspace(-9.0, 9.0, 20_001)
    return float(np.trapezoid(np.heaviside(x, 0.5) - ndtr(x) ** count, x))
