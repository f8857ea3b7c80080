"""Slots: n slots take one of k symbols each; only a whole answer that is right pays, and nothing tells which it is

A world for partial credit, of our own. All slots are empty at first. An action puts a symbol into a slot, whatever was
there, or hands the answer in, which ends the episode and pays 1 where all symbols are right. Which those are is drawn
once, from `env.target`, and never shown. After `env.steps` steps time is up. What is seen is the symbol in each slot,
one-hot, the empty one first.

With `env.distractors=D` there are D + 1 sources. Each holds an answer, and an action looks into it: what it holds is
seen until another is looked into. A question, drawn anew for each episode as the answers are, says which source holds
the right one. The others distract.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import EVIDENCE, GIVEN, PICTURE, RIGHT, STATE_HASH, WANTED
from rewardlab.maths.counting import hash_rows
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
SUCCESS = "an answer that is all right was handed in"
_SQUARE = 32  # pixels of a slot's side in a picture
_EMPTY, _TRUE, _FALSE = (90, 90, 90), (70, 160, 90), (190, 70, 60)


@dataclass
class Config(OwnConfig):
    n: int = option(6, "number of slots", minimum=1, maximum=50)
    k: int = option(8, "number of symbols", minimum=2, maximum=50)
    steps: int | None = option(None, "steps of an episode; null: 3 n", above=0)
    target: int = option(0, "seed of the symbols that are right; not used with distractors", minimum=0)
    distractors: int | None = option(
        None,
        "sources beside the one that tells what is right; null: nothing tells it",
        minimum=0,
        maximum=100,
        neutral=None,
    )
    frames: int = option(200_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        if self.limit <= self.n:
            raise ValueError(f"steps={self.steps}: filling {self.n} slots and handing in takes {self.n + 1}")
        if self.distractors is not None and self.limit <= self.n + 1:
            raise ValueError(
                f"steps={self.steps}: with distractors, looking, filling and handing in takes {self.n + 2}"
            )

    @property
    def limit(self) -> int:
        """Steps of an episode."""
        return 3 * self.n if self.steps is None else self.steps

    @property
    def sources(self) -> int:
        return 0 if self.distractors is None else self.distractors + 1

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """No level is easier than others."""
        return task

    def revision(self, setting: RootConfig) -> int:
        return 0


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Slots":
    """N copies; all levels are the same, unless there are sources.

    Args:
        privileged: full-state facts to compute: given, wanted, right, state_hash, picture; with sources evidence.
    """
    sources, answer = config.sources, config.n * (config.k + 1)
    size = answer if not sources else 2 * answer + sources  # what is given, what is looked at, the question
    spec = EnvSpec(
        id=f"Slots-{config.n}x{config.k}" + (f"-D{config.distractors}" if sources else ""),
        obs={"vector": ObsSpec((size,), "float32", bounds=((0.0,) * size, (1.0,) * size))},
        action=ActionSpec(n=config.n * config.k + 1 + sources),
        max_steps=config.limit,
        task=TaskFacts(
            random_return(config.n, config.k, config.limit, sources), 1.0, "exact", SUCCESS,
            distinct_levels=None if sources else 1, seen_in_training=None if sources else 1.0,
        ),
        backend="fast",
        privileged=(GIVEN, WANTED, RIGHT, STATE_HASH, PICTURE, *((EVIDENCE,) if sources else ())),
        fact_shapes={GIVEN: (config.n,), WANTED: (config.n,)},
        restorable=True,
    )  # fmt: skip
    return (TellingSlots if sources else Slots)(config, spec, levels, privileged)


class Slots(ArrayEnv):
    """symbols: int64 [N, n], from 0 (none) to k; handed_in: bool [N]."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._n, self._k = config.n, config.k
        self.wanted: Array = np.random.default_rng(config.target).integers(1, config.k + 1, size=config.n)
        self.arrays = {
            "symbols": np.zeros((levels.num_envs, config.n), dtype=np.int64),
            "handed_in": np.zeros(levels.num_envs, dtype=bool),
        }

    def begin(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["symbols"][i], self.arrays["handed_in"][i] = 0, False

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        symbols, handed_in = self.arrays["symbols"], self.arrays["handed_in"]
        handed_in[:] = action == self._n * self._k
        fills = np.flatnonzero(action < self._n * self._k)
        symbols[fills, action[fills] // self._k] = 1 + action[fills] % self._k
        solved = handed_in & (symbols == self.wanted).all(axis=1)
        return solved.astype(np.float32), handed_in.copy(), solved

    def observe(self) -> Obs:
        return {"vector": self.onehot(self.arrays["symbols"])}

    def onehot(self, symbols: Array) -> Array:
        """float32 [N, n * (k + 1)], of symbols [N, n]."""
        shown = symbols[..., None] == np.arange(self._k + 1)
        flat: Array = shown.reshape(len(symbols), -1).astype(np.float32)
        return flat

    def fact(self, name: str) -> Array:
        symbols = self.arrays["symbols"]
        if name == GIVEN:
            return symbols.copy()
        if name == WANTED:
            return np.broadcast_to(self.wanted, symbols.shape).copy()
        if name == RIGHT:
            right: Array = (symbols == self.wanted).sum(axis=1)
            return right
        if name == STATE_HASH:
            return hash_rows(np.concatenate([symbols, self.arrays["handed_in"][:, None]], axis=1))
        colours = np.where((symbols == self.wanted)[..., None], _TRUE, _FALSE)
        pixels = np.where((symbols == 0)[..., None], _EMPTY, colours).astype(np.uint8)
        return pictured(pixels[:, None], _SQUARE)


class TellingSlots(Slots):
    """wanted: int64 [N, n]. held: int64 [N, S, n], what sources hold. question: int64 [N], which of them is right.
    looked: int64 [N], the one that is looked into, -1 at first. evidence: bool [N], whether the right one was looked
    into before the first slot was filled.
    """

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(config, spec, levels, privileged)
        self._sources = config.sources
        self.wanted = np.zeros((levels.num_envs, config.n), dtype=np.int64)
        self.arrays |= {
            "wanted": self.wanted,
            "held": np.zeros((levels.num_envs, config.sources, config.n), dtype=np.int64),
            "question": np.zeros(levels.num_envs, dtype=np.int64),
            "looked": np.full(levels.num_envs, -1, dtype=np.int64),
            "evidence": np.zeros(levels.num_envs, dtype=bool),
        }

    def begin(self, i: int, stream: np.random.Generator) -> None:
        super().begin(i, stream)
        arrays = self.arrays
        arrays["held"][i] = stream.integers(1, self._k + 1, size=arrays["held"].shape[1:])
        arrays["question"][i], arrays["looked"][i] = stream.integers(self._sources), -1
        arrays["evidence"][i] = False
        arrays["wanted"][i] = arrays["held"][i, arrays["question"][i]]

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        arrays, source = self.arrays, action - self._n * self._k - 1
        looks = source >= 0
        arrays["looked"][looks] = source[looks]
        arrays["evidence"] |= looks & (source == arrays["question"]) & ~arrays["symbols"].any(axis=1)
        return super().advance(action)

    def observe(self) -> Obs:
        looked, every = self.arrays["looked"], np.arange(self.num_envs)
        found = np.where(looked[:, None] >= 0, self.arrays["held"][every, looked.clip(min=0)], 0)
        asked = (self.arrays["question"][:, None] == np.arange(self._sources)).astype(np.float32)
        return {"vector": np.concatenate([self.onehot(self.arrays["symbols"]), self.onehot(found), asked], axis=1)}

    def fact(self, name: str) -> Array:
        if name == EVIDENCE:
            return self.arrays["evidence"].astype(np.int64)
        if name == STATE_HASH:
            return hash_rows(np.concatenate([a.reshape(self.num_envs, -1) for a in self.arrays.values()], axis=1))
        return super().fact(name)


def random_return(n: int, k: int, limit: int, sources: int = 0) -> float:
    """The mean return of uniformly random actions, exactly: how many slots are right is all that matters."""
    actions = n * k + 1 + sources
    hand_in, look, right = 1.0 / actions, sources / actions, np.arange(n + 1)
    gains, loses = (1.0 - right / n) / k, right / n * (1.0 - 1.0 / k)  # where a slot is filled
    chance, total = np.zeros(n + 1), 0.0
    chance[0] = 1.0
    for _ in range(limit):
        total += float(chance[n]) * hand_in
        filled = (1.0 - hand_in - look) * chance
        chance = look * chance + filled * (1.0 - gains - loses)
        chance[1:] += (filled * gains)[:-1]
        chance[:-1] += (filled * loses)[1:]
    return total
