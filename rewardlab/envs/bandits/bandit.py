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

`env.prior=risky` has two arms: the first always pays .5, the second always 1 with probability `env.q`, else always 0.
With `env.redraw=step` means are drawn anew before each pull, so that there is nothing to learn.

`gap` is what a pull costs: the best mean less that of the arm, never what chance made of it. In the adversarial kind it
is what the arm that is best in hindsight pays there, less what the pulled one does: it may be below 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.bandits.base import ArmsConfig, ArmsEnv, MeansEnv, arms_spec
from rewardlab.envs.levels import Levels
from rewardlab.maths.bandits import ADVERSARIAL
from rewardlab.maths.bayes_bandits import MOST_PULLS, bayes_value, risky_value
from rewardlab.maths.regret_bounds import lai_robbins
from rewardlab.schemas import option
from rewardlab.types import Array, EnvSpec, TaskFacts

VERSION = 1


@dataclass
class Config(ArmsConfig):
    kind: str = option("bernoulli", "what arms pay", choices=("bernoulli", "gaussian", "adversarial"))
    k: int | None = option(None, "number of arms; null: 5, or as many as means", minimum=2, maximum=1000)
    steps: int = option(100, "pulls of a problem", above=0, maximum=100_000)
    means: list[float] = option(
        [], "mean rewards of the arms, in an order that each problem draws; none: all are drawn"
    )
    prior: str = option(
        "beta", "of kind=bernoulli without means: how they are drawn", choices=("beta", "risky"), neutral="beta"
    )
    q: float = option(0.3, "of prior=risky: probability that the risky arm pays", minimum=0, maximum=1, neutral=0.3)
    redraw: str = option(
        "problem",
        "when means are drawn: for a problem, or anew at each step",
        choices=("problem", "step"),
        neutral="problem",
    )
    variance: float = option(1.0, "of a reward, and of the means, of kind=gaussian", above=0)
    phases: int = option(4, "of kind=adversarial: stretches of a problem with probabilities of their own", above=0)

    def validate(self) -> None:
        super().validate()
        if self.means and (len(self.means) < 2 or self.k not in (None, len(self.means))):
            raise ValueError(f"means has {len(self.means)} numbers: must be one for each of at least 2 arms, k of them")
        if self.prior == "risky" and (self.kind != "bernoulli" or self.means or self.k not in (None, 2)):
            raise ValueError("prior=risky: has two arms of its own, of kind=bernoulli; leave out means, kind and k")
        if self.prior != "risky" and self.q != 0.3:
            raise ValueError(f"q={self.q:g}: only prior=risky has it")
        if self.redraw == "step" and self.kind == "adversarial":
            raise ValueError("redraw=step: kind=adversarial has a table of its own; leave it out")
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
        return 2 if self.prior == "risky" else len(self.means) or self.k or 5

    def regret_bound(self, level: int) -> float | None:
        """Lai and Robbins'; none where arms are of another kind than theirs."""
        if self.kind == "adversarial" or self.prior == "risky" or self.redraw == "step":
            return None
        means = _means(self, np.random.default_rng(level))
        return lai_robbins(means, self.repeats * self.steps, self.variance if self.kind == "gaussian" else None)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> ArmsEnv:
    """N problems at a time.

    Args:
        privileged: full-state facts to compute: gap, best, greedy, state_hash, picture.
    """
    paid = (-np.inf, np.inf) if config.kind == "gaussian" else (0.0, 1.0)
    spec = arms_spec(config, f"Bandit-{config.kind}", config.arms, config.steps, paid, _task(config))
    if config.kind == "adversarial":
        return AdversarialBandit(config, spec, levels, privileged)
    spread = {"gaussian": config.variance**0.5, "bernoulli": 0.0 if config.prior == "risky" else None}[config.kind]
    redraws = config.redraw == "step"
    return MeansEnv(config, spec, levels, privileged, lambda stream: _means(config, stream), spread, redraws)


class AdversarialBandit(ArmsEnv):
    """table: float32 [N, T, K], of what arms pay."""

    kind = ADVERSARIAL

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(config, spec, levels, privileged)
        self.config = config
        self.arrays["table"] = np.zeros((levels.num_envs, config.steps, config.arms), dtype=np.float32)

    def write(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["table"][i] = self._table(stream)

    def pull(self, action: Array) -> tuple[Array, Array, Array]:
        table, every = self.arrays["table"], np.arange(self.num_envs)
        leader = table.sum(axis=1, dtype=np.float64).argmax(axis=1)
        here = table[every, self.steps]
        paid = here[every, action]
        return paid, here[every, leader].astype(np.float64) - paid, action == leader

    def drawn_problem(self, level: int) -> tuple[Array, Array, Array]:
        return np.zeros(self.count), self._table(np.random.default_rng(level)), np.zeros(0)

    def _table(self, stream: np.random.Generator) -> Array:
        config = self.config
        phase = np.arange(config.steps) * config.phases // config.steps
        chances = stream.random((config.phases, config.arms))
        return (stream.random((config.steps, config.arms)) < chances[phase]).astype(np.float32)


def _means(config: Config, stream: np.random.Generator) -> Array:
    """Of a problem's arms, [K]."""
    if config.prior == "risky":
        return np.array([0.5, float(stream.random() < config.q)])
    if config.means:
        return stream.permutation(np.array(config.means, dtype=np.float64))
    if config.kind == "bernoulli":
        return stream.random(config.arms)
    drawn: Array = config.variance**0.5 * stream.standard_normal(config.arms)
    return drawn


def _task(config: Config) -> TaskFacts:
    """Over all problems. What the best arms pay is a bound, which nobody reaches who does not know them; of two arms
    and few pulls it is known what the best policy is paid.
    """
    pulls = config.steps
    if config.kind == "adversarial":
        return TaskFacts(0.5 * pulls)
    if config.prior == "risky":
        value = pulls * max(0.5, config.q) if config.redraw == "step" else risky_value(pulls, config.q)
        return TaskFacts(pulls * (0.25 + config.q / 2.0), value, "exact")
    if config.means:
        random, best = float(np.mean(config.means)), max(config.means)
    elif config.kind == "bernoulli":
        random, best = 0.5, config.arms / (config.arms + 1)
    else:
        random, best = 0.0, config.variance**0.5 * _largest_of(config.arms)
    if config.redraw == "step":  # there is nothing to know
        return TaskFacts(pulls * random, pulls * random, "exact")
    if config.kind == "bernoulli" and not config.means and config.arms == 2 and pulls <= MOST_PULLS:
        return TaskFacts(pulls * random, bayes_value(pulls), "exact")
    return TaskFacts(pulls * random, pulls * best, "bound")


def _largest_of(count: int) -> float:
    """The mean of the largest of so many numbers of N(0, 1): the integral of x over the power of their distribution."""
    from scipy.special import ndtr

    x = np.linspace(-9.0, 9.0, 20_001)
    return float(np.trapezoid(np.heaviside(x, 0.5) - ndtr(x) ** count, x))
