"""Meta Bayesian optimisation: find the largest of 64 unknown values in 20 tries; every level is another function

Paper: Maraval et al. 2023, End-to-end meta-Bayesian optimisation with transformer neural processes (arXiv:2305.15930)

A level is a path of a Gaussian process on [0, 1], at `env.candidates` points, of mean 0 and standard deviation 1. An
action tries a candidate, none twice (`mask`). They stand in another order at every step, so that their places say
nothing: `candidates` describes each one, and agent=ppo scores all by the same weights. Every step is paid.

| env.pays | is |
|---|---|
| regret | - (the largest value less the best one so far) |
| log | - log10 of that, at least 1e-20 |

What is seen: all tries so far, place and value, the best value, and the share of steps that are over; of each candidate
its place, how far the tried ones to its left and right are, and their values (1 and 0 where there is none).

Improvements are rare: of t tries in any order that knows nothing, 1 + 1/2 + ... + 1/t are better than all before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.envs.spaces import refuse_forbidden
from rewardlab.facts import IMPROVEMENTS, PICTURE, STATE_HASH
from rewardlab.maths.counting import hash_rows
from rewardlab.schemas import RootConfig, option
from rewardlab.types import CANDIDATES, MASK, ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
_FLOOR, _JITTER = 1e-20, 1e-6
_FEATURES = 5
_PLAYED = 5_000  # functions that say what random play returns
_HEIGHT, _DOT = 160, 4  # pixels of a picture, and between candidates


@dataclass
class Config(OwnConfig):
    pays: str = option("regret", "what a step is paid", choices=("regret", "log"))
    candidates: int = option(64, "points that can be tried", minimum=2, maximum=512)
    steps: int = option(20, "tries of an episode", above=0, maximum=512)
    length: float = option(0.1, "length scale of the functions: they vary within about so much of [0, 1]", above=0)
    frames: int = option(200_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        if self.steps > self.candidates:
            raise ValueError(f"steps={self.steps}: more than {self.candidates} candidates, and none comes twice")

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "MetaBo":
    """N functions at a time; a level is a function, and the orders of its candidates.

    Args:
        privileged: full-state facts to compute: improvements, state_hash, picture.
    """
    count, steps = config.candidates, config.steps
    best = 0.0 if config.pays == "regret" else -steps * float(np.log10(_FLOOR))
    spec = EnvSpec(
        id=f"MetaBo-{config.pays}-{count}",
        obs={
            "vector": ObsSpec((2 * steps + 2,), "float32"),
            CANDIDATES: ObsSpec((count, _FEATURES), "float32"),
            MASK: ObsSpec((count,), "uint8", 1),
        },
        action=ActionSpec(n=count),
        max_steps=steps,
        task=TaskFacts(_random_return(config.pays, count, steps, config.length), best, "bound"),
        backend="fast",
        privileged=(IMPROVEMENTS, STATE_HASH, PICTURE),
        tells=(IMPROVEMENTS,),
        restorable=True,
    )
    return MetaBo(config, spec, levels, privileged)


class MetaBo(ArrayEnv):
    """values: float64 [N, C], of the function. order: int64 [N, C], the points that the candidates are. tried: int64
    [N, T], points, -1 where none. improvements: int64 [N].
    """

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self.config, count = config, levels.num_envs
        self._places = np.linspace(0.0, 1.0, config.candidates)
        self.arrays = {
            "values": np.zeros((count, config.candidates)),
            "order": np.zeros((count, config.candidates), dtype=np.int64),
            "tried": np.full((count, config.steps), -1, dtype=np.int64),
            "improvements": np.zeros(count, dtype=np.int64),
        }
        self._rows = np.arange(count)

    def begin(self, i: int, stream: np.random.Generator) -> None:
        normal = stream.standard_normal((1, self.config.candidates))
        self.arrays["values"][i] = _paths(normal, self.config.length)[0]
        self.arrays["order"][i] = stream.permutation(self.config.candidates)
        self.arrays["tried"][i], self.arrays["improvements"][i] = -1, 0

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        refuse_forbidden(self.spec.id, self._mask(), action)
        values, order, tried, improvements = self.arrays.values()
        before, chosen = self._best(), order[self._rows, action]
        improvements += values[self._rows, chosen] > before
        tried[self._rows, self.steps] = chosen
        for i, stream in enumerate(self.streams):
            order[i] = stream.permutation(order.shape[1])
        ended: Array = self.steps + 1 >= self.config.steps
        return _pay(values.max(axis=1) - self._best(), self.config.pays), ended, np.zeros(self.num_envs, dtype=bool)

    def observe(self) -> Obs:
        values, order, tried, _ = self.arrays.values()
        known = tried >= 0
        history = np.where(known, [self._places[tried], np.take_along_axis(values, tried.clip(min=0), axis=1)], 0.0)
        best = np.where(known.any(axis=1), self._best(), 0.0)
        share = known.sum(axis=1) / self.config.steps
        vector = np.concatenate([*history, best[:, None], share[:, None]], axis=1)
        every = self._described()
        shown = np.take_along_axis(every, order[..., None], axis=1)
        return {"vector": vector.astype(np.float32), CANDIDATES: shown.astype(np.float32), MASK: self._mask()}

    def fact(self, name: str) -> Array:
        values, _, tried, improvements = self.arrays.values()
        if name == IMPROVEMENTS:
            return improvements.copy()
        if name == STATE_HASH:
            return hash_rows(np.concatenate([values.view(np.int64), np.sort(tried, axis=1)], axis=1))
        pixels = np.full((self.num_envs, _HEIGHT, self.config.candidates * _DOT, 3), 24, dtype=np.uint8)
        heights = ((4.0 - values.clip(-4.0, 4.0)) / 8.0 * (_HEIGHT - _DOT)).astype(np.int64)
        untried = ~self._tried()
        for i in range(self.num_envs):
            for c, top in enumerate(heights[i].tolist()):
                colour = (110, 110, 120) if untried[i, c] else (230, 190, 40)
                pixels[i, top : top + _DOT, c * _DOT : (c + 1) * _DOT] = colour
        return pixels

    def _tried(self) -> Array:
        """Which points were, bool [N, C]."""
        found = np.zeros(self.arrays["order"].shape, dtype=bool)
        row, step = np.nonzero(self.arrays["tried"] >= 0)
        found[row, self.arrays["tried"][row, step]] = True
        return found

    def _mask(self) -> Array:
        """What was not tried; at the end too, or, where nothing is left, everything."""
        left = ~np.take_along_axis(self._tried(), self.arrays["order"], axis=1)
        return (left | ~left.any(axis=1, keepdims=True)).astype(np.uint8)

    def _best(self) -> Array:
        """The best value so far, float64 [N]; minus infinity before the first."""
        found: Array = np.where(self._tried(), self.arrays["values"], -np.inf).max(axis=1)
        return found

    def _described(self) -> Array:
        """Of each point its place, and the distance and value of the tried one to its left and right: [N, C, 5]."""
        tried, values, count = self._tried(), self.arrays["values"], self.config.candidates
        points = np.arange(count)
        left = np.maximum.accumulate(np.where(tried, points, -1), axis=1)
        right = np.minimum.accumulate(np.where(tried, points, count)[:, ::-1], axis=1)[:, ::-1]
        shown = [np.broadcast_to(self._places, values.shape)]
        for near, there in ((left, left >= 0), (right, right < count)):
            at = near.clip(0, count - 1)
            shown.append(np.where(there, np.abs(self._places - self._places[at]), 1.0))
            shown.append(np.where(there, np.take_along_axis(values, at, axis=1), 0.0))
        return np.stack(shown, axis=2)


def _pay(regret: Array, pays: str) -> Array:
    return -regret if pays == "regret" else -np.log10(np.maximum(regret, _FLOOR))


def _paths(normal: Array, length: float) -> Array:
    """Paths of a Gaussian process, [B, C], of N(0, 1) numbers; then to mean 0 and standard deviation 1."""
    paths = normal @ _factor(normal.shape[1], length).T
    scaled: Array = (paths - paths.mean(axis=1, keepdims=True)) / paths.std(axis=1, keepdims=True)
    return scaled


@lru_cache
def _factor(count: int, length: float) -> Array:
    """The Cholesky factor of the squared exponential kernel at so many points of [0, 1]."""
    places = np.linspace(0.0, 1.0, count)
    kernel = np.exp(-0.5 * ((places[:, None] - places) / length) ** 2)
    return np.linalg.cholesky(kernel + _JITTER * np.eye(count))


@lru_cache
def _random_return(pays: str, count: int, steps: int, length: float) -> float:
    """What candidates in random order return, by trying."""
    rng = np.random.default_rng(0)
    values = rng.permuted(_paths(rng.standard_normal((_PLAYED, count)), length), axis=1)
    best = np.maximum.accumulate(values[:, :steps], axis=1)
    return float(_pay(values.max(axis=1, keepdims=True) - best, pays).sum(axis=1).mean())
