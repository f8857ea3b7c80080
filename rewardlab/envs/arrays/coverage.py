"""Coverage: walk on a grid, paid what a cell adds to all that were visited: rewards with a memory, submodular ones

Paper: Prajapat et al. 2024, Submodular reinforcement learning (arXiv:2307.13372)

Four actions go up, right, down and left; against the edge nothing moves. A single row has right and left alone, a
single column up and down. An episode lasts `env.horizon` steps. The return is F(cells visited) less F(the first cell),
however often each was visited: steps pay what they add to F, which telescopes. With gamma=1 and gae_lambda=1 `ppo` is
then the paper's policy gradient (SubPO): each step is credited with all that is added after it. With gamma=0 it is
credited with what it adds itself, which is what the paper's code comes to.

| env.objective | F |
|---|---|
| cover | the weights of all cells within `env.radius` of a visited one |
| items | items collected, of each of `env.kinds` kinds no more than `env.enough`; they lie as `env.draw` says |
| entropy | of a Gaussian process measured in the visited cells, as wide as `env.width` |

What is seen is the cell and the step, each one-hot; with `env.show_visited` which cells were visited too. Without, the
policy is Markov in place and time, as the paper's. `env.pay=modular` pays what each cell is worth alone, each time that
it is visited, in training: the paper's baseline. Evaluations tell F all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rewardlab.envs.arrays.base import ArrayEnv, pictured
from rewardlab.envs.config import OwnConfig
from rewardlab.envs.levels import Levels
from rewardlab.facts import PICTURE, STATE_HASH
from rewardlab.maths import submodular
from rewardlab.maths.counting import hash_rows
from rewardlab.schemas import RootConfig, option
from rewardlab.types import ActionSpec, Array, EnvSpec, Obs, ObsSpec, TaskFacts

VERSION = 1
_MOVES = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])  # rows and columns
_OWN = {"weights": "cover", "radius": "cover", "kinds": "items", "each": "items", "enough": "items"}
_OWN |= {"draw": "items", "width": "entropy"}
_MOST_CELLS = 2500
_MOST_EXACT = 10**8  # numbers that the return of random play takes
_SIDE = 400  # pixels of a picture, about
_UNSEEN, _SEEN, _WALKER = (30, 60, 110), (90, 150, 90), (240, 240, 240)


@dataclass
class Config(OwnConfig):
    objective: str = option("cover", "what a set of cells is worth", choices=("cover", "items", "entropy"))
    rows: int = option(6, "rows of the grid", minimum=1, maximum=_MOST_CELLS)
    columns: int = option(6, "columns of the grid", minimum=1, maximum=_MOST_CELLS)
    horizon: int = option(18, "steps of an episode", above=0, maximum=1000)
    start: int = option(0, "number of the first cell, row by row from 0", minimum=0)
    pay: str = option(
        "marginal",
        "in training: what a step's cell adds, or is worth alone",
        choices=("marginal", "modular"),
    )
    show_visited: bool = option(False, "show which cells were visited")
    weights: list[float] = option([], "of objective=cover: of each cell, row by row; []: 1 each")
    radius: int = option(0, "of objective=cover: how far a cell covers, in steps", minimum=0)
    kinds: int = option(3, "of objective=items: kinds of items", above=0)
    each: int = option(4, "of objective=items: items of each kind, one a cell", above=0)
    enough: int = option(2, "of objective=items: how many of a kind count", above=0)
    draw: int = option(0, "of objective=items: seed of where they lie", minimum=0)
    width: float = option(1.0, "of objective=entropy: width of the kernel, in cells", above=0)
    frames: int = option(500_000, "default training budget of a run on it", above=0, in_setting=False)

    def validate(self) -> None:
        super().validate()
        cells = self.rows * self.columns
        if not 2 <= cells <= _MOST_CELLS:
            raise ValueError(f"rows={self.rows}: cells are {cells}; must be from 2 to {_MOST_CELLS}")
        if self.start >= cells:
            raise ValueError(f"start={self.start}: there are {cells} cells, from 0 to {cells - 1}")
        if self.weights and (len(self.weights) != cells or not all(0 <= weight < np.inf for weight in self.weights)):
            raise ValueError(f"weights: {len(self.weights)} of them; must be {cells}, one a cell, none below 0")
        if self.objective == "items" and self.kinds * self.each >= cells:
            raise ValueError(
                f"each={self.each}: {self.kinds * self.each} items are more than the {cells - 1} other cells"
            )
        for name, objective in _OWN.items():
            default = [] if name == "weights" else type(self).__dataclass_fields__[name].default
            if getattr(self, name) != default and self.objective != objective:
                raise ValueError(f"{name}={getattr(self, name)}: only objective={objective} has it")

    def as_reported(self) -> "Config":
        return replace(self, pay="marginal")

    def facts_on(self, task: TaskFacts, levels: Sequence[int]) -> TaskFacts:
        """All levels are the same."""
        return task

    def revision(self, setting: RootConfig) -> int:
        return 0

    def places(self) -> Array:
        """int64 [S, 2]: the row and the column of each cell."""
        return np.stack(np.divmod(np.arange(self.rows * self.columns), self.columns), axis=1)

    def covered(self) -> tuple[Array, Array]:
        """Of objective=cover: which cells the walker covers from which, bool [S, S], and their weights [S]."""
        places = self.places()
        near: Array = np.abs(places[:, None] - places[None]).sum(axis=2) <= self.radius
        return near, np.array(self.weights or np.ones(len(places)), dtype=np.float64)

    def value(self) -> submodular.Objective:
        """F of sets of cells."""
        if self.objective == "cover":
            return submodular.cover(*self.covered())
        if self.objective == "entropy":
            return submodular.entropy(submodular.radial(self.places().astype(np.float64), self.width))
        kinds, count = np.full(self.rows * self.columns, -1), self.kinds * self.each
        elsewhere = np.delete(np.arange(len(kinds)), self.start)
        kinds[np.random.default_rng(self.draw).permutation(elsewhere)[:count]] = np.arange(count) % self.kinds
        return submodular.items(kinds, self.enough)


def make(config: Config, levels: Levels, privileged: Sequence[str] = ()) -> "Coverage":
    """N copies; all levels are the same.

    Args:
        privileged: full-state facts to compute: state_hash, picture.
    """
    cells, horizon = config.rows * config.columns, config.horizon
    size = cells + horizon + (cells if config.show_visited else 0)
    random, most = returns(config)
    spec = EnvSpec(
        id=f"Coverage-{config.objective}-{config.rows}x{config.columns}",
        obs={"vector": ObsSpec((size,), "float32", bounds=((0.0,) * size, (1.0,) * size))},
        action=ActionSpec(n=moves(config).shape[1]),
        max_steps=horizon,
        task=TaskFacts(random, most, "bound", distinct_levels=1, seen_in_training=1.0, lowest_return=0.0),
        backend="fast",
        privileged=(STATE_HASH, PICTURE),
        restorable=True,
    )
    return Coverage(config, spec, levels, privileged)


class Coverage(ArrayEnv):
    """cell: int64 [N]. visited: bool [N, S], the first cell among them. worth: float64 [N], F of what was visited."""

    def __init__(self, config: Config, spec: EnvSpec, levels: Levels, privileged: Sequence[str]) -> None:
        super().__init__(spec, levels, privileged)
        self._rows, self._columns, self._start = config.rows, config.columns, config.start
        self._shows, self._value = config.show_visited, config.value()
        self._after = moves(config)
        cells = len(self._after)
        self._alone = self._value(np.eye(cells, dtype=bool)) if config.pay == "modular" else None
        self._first = float(self._value(np.eye(cells, dtype=bool)[[config.start]])[0])
        self.arrays = {
            "cell": np.zeros(levels.num_envs, dtype=np.int64),
            "visited": np.zeros((levels.num_envs, cells), dtype=bool),
            "worth": np.zeros(levels.num_envs),
        }

    def begin(self, i: int, stream: np.random.Generator) -> None:
        self.arrays["cell"][i], self.arrays["visited"][i] = self._start, False
        self.arrays["visited"][i, self._start], self.arrays["worth"][i] = True, self._first

    def advance(self, action: Array) -> tuple[Array, Array, Array]:
        cell, visited, worth = self.arrays["cell"], self.arrays["visited"], self.arrays["worth"]
        cell[:] = self._after[cell, action]
        visited[np.arange(self.num_envs), cell] = True
        now = self._value(visited)
        reward = now - worth if self._alone is None else self._alone[cell]
        worth[:] = now
        ended: Array = self.steps + 1 >= self._limit
        return reward, ended, np.zeros(self.num_envs, dtype=bool)

    def observe(self) -> Obs:
        at = self.arrays["cell"][:, None] == np.arange(len(self._after))
        step = self.steps[:, None] == np.arange(self._limit)
        shown = [at, step, *([self.arrays["visited"]] if self._shows else [])]
        return {"vector": np.concatenate(shown, axis=1).astype(np.float32)}

    def fact(self, name: str) -> Array:
        cell, visited = self.arrays["cell"], self.arrays["visited"]
        if name == STATE_HASH:
            return hash_rows(np.concatenate([visited, cell[:, None], self.steps[:, None]], axis=1))
        pixels = np.where(visited[..., None], _SEEN, _UNSEEN).astype(np.uint8)
        pixels[np.arange(self.num_envs), cell] = _WALKER
        pixels = pixels.reshape(self.num_envs, self._rows, self._columns, 3)
        return pictured(pixels, max(2, _SIDE // max(self._rows, self._columns)))


def moves(config: Config) -> Array:
    """int64 [S, A]: where actions lead."""
    real = (np.abs(_MOVES) @ np.array([config.rows > 1, config.columns > 1])).astype(bool)
    places = (config.places()[:, None] + _MOVES[real]).clip(0, (config.rows - 1, config.columns - 1))
    found: Array = places @ np.array([config.columns, 1])
    return found


def returns(config: Config) -> tuple[float | None, float]:
    """The mean return of uniformly random actions, of objective=cover exactly (None for others), and a bound on the
    best: H steps add no more than the H cells would that add most to the first.
    """
    value, after = config.value(), moves(config)
    first = np.eye(len(after), dtype=bool)[config.start]
    alone = np.sort(submodular.marginals(value, first))[::-1]
    both = value(np.stack([first, np.ones_like(first)]))
    most = min(float(alone[: config.horizon].sum()), float(both[1] - both[0]))
    if config.objective != "cover" or config.horizon * len(after) ** 2 > _MOST_EXACT:
        return None, most
    near, weights = config.covered()
    missed = 1.0 - near  # [S, S]: how likely walks from the first never come near the second
    for _ in range(config.horizon):
        missed = np.where(near, 0.0, missed[after].mean(axis=1))
    return float(weights @ (1.0 - missed[config.start]) - value(first[None])[0]), most
