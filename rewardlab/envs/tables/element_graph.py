"""Element graph: walk among sets of elements of which only some are known, and stop at a good one: exact by its table

Paper: AdsorbRL, deep multi-objective reinforcement learning for inverse catalysts design (arXiv:2312.02308)

A state is a known set of one to three elements. Action 0 stops, 1 adds a random element that leads to a known set, 2 to
4 remove the first to third element; what leads nowhere stays. Only the end is paid: where it stopped, or where it is
when time is up. Sets that are known, and energies, are drawn once, from `env.draw`: a stand-in for computed catalysts.

| env.pays | is paid |
|---|---|
| single | -(E / 10)^3, of one energy |
| multi | the sum of `env.sampled` of 6 energies, signed, over 10; which ones is drawn when it is paid, and never seen |

Sampling k of 6 makes the task no other: a state is worth k / 6 of the whole sum on average, so that the same walk is
best, and its pay has the variance k (1 - k / 6) S^2 more, S^2 the variance of the six terms.

What is seen is the number of the set, and the elements in it. `gap` is what an action costs, by backward induction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, fact_of_gap, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import BEST, GAP, PICTURE, STATE_HASH
from rewardlab.maths.counting import hash_rows
from rewardlab.maths.tables import best_within, shortfalls, values_within
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Mdp, Obs, ObsSpec, TaskFacts

VERSION = 1
TERMS = 6
STOP, ADD, ACTIONS, _LARGEST = 0, 1, 5, 3
_KINDS, _STEPS = ("single", "multi"), {"single": 75, "multi": 20}


@dataclass
class Config(OwnConfig):
    TELLS_GAP = True

    pays: str = option("single", "what the end is paid", choices=_KINDS)
    sampled: int = option(2, "of pays=multi: how many of the 6 terms are paid", minimum=1, maximum=TERMS)
    elements: int = option(12, "number of elements", minimum=3, maximum=20)
    known: float = option(0.5, "share of the sets of two and three that are known", above=0, maximum=1)
    steps: int | None = option(None, "steps of an episode; null: 75, of pays=multi 20", above=0, maximum=1000)
    draw: int = option(0, "seed of the sets and energies", minimum=0)
    frames: int = option(100_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        if self.pays != "multi" and self.sampled != 2:
            raise ValueError(f"sampled={self.sampled}: only pays=multi has terms")

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """What can be expected, whatever happens on a few levels."""
        return task

    def revision(self, setting: RootConfig) -> int:
        return 0


class Graph(NamedTuple):
    """S known sets.

    holds: bool [S, E]. chance: float64 [S, 4, S], of actions 1 to 4. terms: float64 [S, K], what is paid of each.
    """

    holds: Array
    chance: Array
    terms: Array


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "ElementGraph":
    """N walks; a level is the seed of what chance does in an episode.

    Args:
        privileged: full-state facts to compute: gap, best, state_hash, picture.
    """
    graph = graph_of(config.pays, config.elements, config.known, config.draw)
    horizon = _STEPS[config.pays] if config.steps is None else config.steps
    mdp, reward = table(graph, config.sampled, horizon)
    best = best_within(mdp, reward, horizon)
    even = np.full((len(graph.terms), ACTIONS), 1 / ACTIONS)
    random = mdp.start @ values_within(mdp, reward, even, horizon)[0].mean(axis=1)
    spec = EnvSpec(
        id=f"ElementGraph-{config.pays}-{len(graph.terms)}",
        obs={
            "cell": ObsSpec((1,), "int64", len(graph.terms) - 1),
            "vector": ObsSpec((config.elements,), "float32"),
        },
        action=ActionSpec(n=ACTIONS),
        max_steps=horizon,
        task=TaskFacts(float(random), float(mdp.start @ best[0].max(axis=1)), "exact"),
        backend="fast",
        privileged=(GAP, BEST, STATE_HASH, PICTURE),
        restorable=True,
    )
    return ElementGraph(graph, config.sampled, best, spec, levels, privileged)


class ElementGraph(ArrayEnv):
    """cell: int64 [N], the number of the set. gap: float64 [N], of the step just taken."""

    def __init__(
        self, graph: Graph, sampled: int, best: Array, spec: EnvSpec, levels: Levels, privileged: Sequence[str]
    ) -> None:
        super().__init__(spec, levels, privileged)
        self._graph, self._sampled = graph, sampled
        self._until = np.cumsum(graph.chance, axis=2)[..., :-1]
        self._gaps = shortfalls(best)
        self.arrays = {"cell": np.zeros(levels.num_envs, dtype=np.int64), "gap": np.zeros(levels.num_envs)}

    def begin(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["cell"][i] = stream.integers(self._graph.holds.shape[1])
        self.arrays["gap"][i] = 0.0

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        cell, gap = self.arrays["cell"], self.arrays["gap"]
        gap[:] = self._gaps[self.steps, cell, action]
        stops = action == STOP
        drawn = np.array([stream.random() for stream in self.streams])
        reached = (self._until[cell, np.maximum(action, ADD) - ADD] <= drawn[:, None]).sum(axis=1)
        cell[:] = np.where(stops, cell, reached)
        over = stops | (self.steps + 1 >= self._limit)
        reward = np.zeros(self.num_envs)
        terms = self._graph.terms
        for i in np.flatnonzero(over):
            chosen = self.streams[i].permutation(terms.shape[1])[: self._sampled]
            reward[i] = terms[cell[i], chosen].sum()
        return reward, over, np.zeros(self.num_envs, dtype=bool)

    def observe(self) -> Obs:
        cell = self.arrays["cell"]
        return {"cell": cell[:, None].copy(), "vector": self._graph.holds[cell].astype(np.float32)}

    def fact(self, name: str) -> Array:
        cell, gap = self.arrays["cell"], self.arrays["gap"]
        if name in (GAP, BEST):
            return fact_of_gap(name, gap)
        if name == STATE_HASH:
            return hash_rows(np.stack([cell, self.steps], axis=1))
        shown = np.where(self._graph.holds[cell][:, None, :, None], (230, 190, 40), (40, 44, 52)).astype(np.uint8)
        return pictured(shown, 24)


@lru_cache
def graph_of(pays: str, elements: int, known: float, draw: int) -> Graph:
    """All single elements, and a share of larger sets. Energies are sums over elements and pairs, and a rest."""
    rng = np.random.default_rng(draw)
    sets: list[tuple[int, ...]] = [(e,) for e in range(elements)]
    for size in range(2, _LARGEST + 1):
        sets += [each for each in combinations(range(elements), size) if rng.random() < known]
    number = {each: s for s, each in enumerate(sets)}
    holds = np.zeros((len(sets), elements), dtype=bool)
    chance = np.zeros((len(sets), ACTIONS - 1, len(sets)))
    for s, each in enumerate(sets):
        holds[s, list(each)] = True
        larger = [number.get(tuple(sorted((*each, e)))) for e in range(elements) if e not in each]
        ways = [found for found in larger if found is not None]
        for found in ways or [s]:
            chance[s, 0, found] = 1.0 / max(1, len(ways))
        for i in range(_LARGEST):
            chance[s, 1 + i, number.get((*each[:i], *each[i + 1 :]), s) if i < len(each) else s] = 1.0
    kinds = 1 if pays == "single" else TERMS
    alone, together = rng.normal(0.0, 4.0, (elements, kinds)), rng.normal(0.0, 3.0, (elements, elements, kinds))
    energy = rng.normal(0.0, 2.0, (len(sets), kinds))
    for s, each in enumerate(sets):
        energy[s] += alone[list(each)].mean(axis=0) + sum(together[pair] for pair in combinations(each, 2))
    sign = np.where(np.arange(kinds) % 2, 1.0, -1.0)  # half of them are to be low, half high
    return Graph(holds, chance, -((energy / 10) ** 3) if pays == "single" else sign * energy / 10)


def table(graph: Graph, sampled: int, horizon: int) -> tuple[Mdp, Array]:
    """The walk as a table, in which stopping ends, and what is paid on average, float64 [H, S, A]."""
    states, terms = graph.terms.shape
    worth = graph.terms.sum(axis=1) * min(1.0, sampled / terms)
    chance = np.zeros((states, ACTIONS, states))
    chance[:, ADD:] = graph.chance
    reward = np.zeros((horizon, states, ACTIONS))
    reward[:, :, STOP] = worth
    reward[-1, :, ADD:] = graph.chance @ worth
    start = np.zeros(states)
    start[: graph.holds.shape[1]] = 1.0 / graph.holds.shape[1]
    return Mdp(chance, reward[0], start), reward
