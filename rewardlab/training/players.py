"""Who plays what is recorded: the exact solver, chance, trained policies, and walks to places of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from rewardlab.envs import registry
from rewardlab.errors import UserError
from rewardlab.facts import DISTANCE
from rewardlab.gridworld.catalogue import find_task
from rewardlab.gridworld.constants import NOTHING
from rewardlab.maths import boxes
from rewardlab.maths.masks import nth_allowed
from rewardlab.schemas import RootConfig
from rewardlab.types import MASK, Agent, Array, EnvSpec, Obs, VecEnv

SOLVER, RANDOM, PLAY = "solver", "random", "play"
Cell = tuple[int, ...]  # row and column of a maze
_SPRING, _BRAKE = 10.0, 1.0  # of a ball: force for each unit of distance, and of speed
_NEAR = 0.2  # of a middle, within which it is reached
_NOWHERE = -1


@dataclass(frozen=True)
class Trained:
    """A policy that is recorded: what acts, `eval.policy` of its run, and its name."""

    agent: Agent
    policy: str
    name: str


def make_player(
    config: RootConfig, source: str, trained: Trained | None, env: VecEnv, rng: np.random.Generator,
    sampling: torch.Generator,
) -> Player:  # fmt: skip
    """What plays a source.

    Raises:
        UserError: it does not know the environment.
    """
    if trained is not None:
        return PolicyPlayer(trained.agent, env.num_envs, sampling, trained.policy)
    if source == RANDOM:
        return RandomPlayer(env, rng)
    if source == SOLVER:
        return SolverPlayer(env)
    world, plugin = env.spec.id, config.env.plugin
    if plugin == "goalgrid" and find_task(world).family == "reachcell":
        return CellPlayer(env, rng)
    if plugin == "robotics" and world.startswith("PointMaze"):
        return MazePlayer(env, rng)
    raise UserError(f"--from play: walks to cells of goalgrid and to places of PointMaze, and {world} has neither")


class Player(Protocol):
    """Plays N environments."""

    def begin(self) -> Array:
        """bool [N]: which of the episodes that begin now it can play."""

    def actions(self, obs: Obs, first: Array, wanted: Array) -> Array:
        """Of each environment; only those of `wanted`, bool [N], matter."""

    def done(self, actions: Array) -> None:
        """What was really done, int64 [N]."""


class SolverPlayer:
    """Goes the shortest way; after an action that was not its own, the shortest from there.

    Raises:
        UserError: the environment is not one that the solver knows.
    """

    def __init__(self, env: VecEnv) -> None:

        if env.spec.backend != "fast" or DISTANCE not in env.spec.privileged:
            raise UserError(
                f"--from solver: it does not know {env.spec.id} (or env.backend=reference); record from a trained run"
            )
        self._env = env
        self._ways: list[list[int] | None] = []

    def begin(self) -> Array:
        self._ways = self._solved(range(self._env.num_envs))
        return np.array([way is not None for way in self._ways])

    def actions(self, obs: Obs, first: Array, wanted: Array) -> Array:
        lost = [i for i, way in enumerate(self._ways) if way == [] and wanted[i]]
        for i, way in zip(lost, self._solved(lost) if lost else (), strict=True):
            self._ways[i] = way
        return np.array([way[0] if way else 0 for way in self._ways], dtype=np.int64)

    def done(self, actions: Array) -> None:
        for i, (way, action) in enumerate(zip(self._ways, actions.tolist(), strict=True)):
            if way is not None:
                self._ways[i] = way[1:] if way and way[0] == action else []

    def _solved(self, where: Sequence[int] | range) -> list[list[int] | None]:
        from rewardlab.gridworld.solver import solve  # compiles

        states = {name: tensor.numpy() for name, tensor in self._env.get_state()["worlds"].items()}
        found = [solve(self._env.spec.id, states, i).actions for i in where]
        return [list(way) if way else None for way in found]


class CellPlayer(SolverPlayer):
    """Goes the shortest way to an empty cell that it draws, then to another; after a stray, on to the same one.

    What the episode's own goal is it does not look at.
    """

    def __init__(self, env: VecEnv, rng: np.random.Generator) -> None:
        self._env, self._rng, self._ways = env, rng, []
        self._targets = np.full(env.num_envs, _NOWHERE)

    def begin(self) -> Array:
        self._targets[:] = _NOWHERE
        return super().begin()

    def _solved(self, where: Sequence[int] | range) -> list[list[int] | None]:
        from rewardlab.gridworld.solver import solve  # compiles

        states = {name: tensor.numpy() for name, tensor in self._env.get_state()["worlds"].items()}
        world, width = self._env.spec.id, find_task(self._env.spec.id).width
        ways: list[list[int] | None] = []
        for i in where:
            column, row = states["agent"][i, :2]
            here = row * width + column
            if self._targets[i] in (_NOWHERE, here):
                free = np.flatnonzero(states["cells"][i, :, :, 0] == NOTHING)
                self._targets[i] = self._rng.choice(free[free != here])
            states["registers"][i, 0] = self._targets[i]
            ways.append(list(solve(world, states, i).actions))
        return ways


class MazePlayer:
    """Pushes a ball to the middle of a free cell that it draws, from middle to middle, then on to that of another.

    The force is a spring's to the next of them, less what the ball has of speed. Where it strays off, a new way to the
    same cell is found. What the episode's own goal is it does not look at.
    """

    def __init__(self, env: VecEnv, rng: np.random.Generator) -> None:
        bare = registry.build(env.spec.id)
        bare.close()
        self._maze: Any = bare.unwrapped.maze  # type: ignore[attr-defined]
        self._free = [tuple(cell) for cell in np.argwhere(np.array(self._maze.maze_map, dtype=object) != 1).tolist()]
        self._rng, self._low, self._high = rng, np.array(env.spec.action.low), np.array(env.spec.action.high)
        self._ways: list[list[Cell]] = [[] for _ in range(env.num_envs)]  # cells that are left to go through

    def begin(self) -> Array:
        self._ways = [[] for _ in self._ways]
        return np.ones(len(self._ways), dtype=bool)

    def actions(self, obs: Obs, first: Array, wanted: Array) -> Array:
        place, speed = obs["achieved"], obs["vector"][:, 2:]
        aims = np.stack([self._aim(i, at) if wanted[i] else at for i, at in enumerate(place)])
        return np.clip(_SPRING * (aims - place) - _BRAKE * speed, self._low, self._high).astype(np.float32)

    def done(self, actions: Array) -> None: ...

    def _aim(self, i: int, at: Array) -> Array:
        """The middle that the ball of environment i is pushed to, which is at `at`, [2]."""
        way = self._ways[i]
        if way and np.linalg.norm(self._middle(way[0]) - at) < _NEAR:
            way.pop(0)
        here: Cell = tuple(self._maze.cell_xy_to_rowcol(at).tolist())
        if not way:
            others = [cell for cell in self._free if cell != here]
            self._ways[i] = self._way(here, others[self._rng.integers(len(others))])
        elif here != way[0] and here not in _beside(way[0]):
            self._ways[i] = self._way(here, way[-1])
        return self._middle(self._ways[i][0])

    def _middle(self, cell: Cell) -> Array:
        found: Array = self._maze.cell_rowcol_to_xy(np.array(cell))
        return found

    def _way(self, start: Cell, end: Cell) -> list[Cell]:
        """The cells of a shortest way, both included."""
        after: dict[Cell, Cell] = {end: end}
        edge = [end]
        for cell in edge:
            for other in _beside(cell):
                if other in self._free and other not in after:
                    after[other] = cell
                    edge.append(other)
        way = [start]
        while way[-1] != end:
            way.append(after[way[-1]])
        return way


def _beside(cell: Cell) -> tuple[Cell, ...]:
    row, column = cell
    return (row, column + 1), (row + 1, column), (row, column - 1), (row - 1, column)


class RandomPlayer:
    """Acts uniformly at random."""

    def __init__(self, env: VecEnv, rng: np.random.Generator) -> None:
        action = env.spec.action
        shape = (env.num_envs, *action.shape)
        self._spec, self._rng = env.spec, rng
        self._like: Array = np.zeros(shape, dtype=np.int64 if action.discrete else np.float32)

    def begin(self) -> Array:
        return np.ones(len(self._like), dtype=bool)

    def actions(self, obs: Obs, first: Array, wanted: Array) -> Array:
        return drawn(self._like, self._spec, obs, self._rng)

    def done(self, actions: Array) -> None: ...


class PolicyPlayer:
    """Samples from a trained policy."""

    def __init__(self, agent: Agent, num_envs: int, rng: torch.Generator, mode: str) -> None:
        self._agent, self._num_envs, self._rng, self._mode = agent, num_envs, rng, mode
        self._state = agent.initial_state(num_envs)

    def begin(self) -> Array:
        self._state = self._agent.initial_state(self._num_envs)
        return np.ones(self._num_envs, dtype=bool)

    @torch.no_grad()
    def actions(self, obs: Obs, first: Array, wanted: Array) -> Array:
        tensors = {name: torch.from_numpy(entry) for name, entry in obs.items()}
        output = self._agent.act(tensors, self._state, torch.from_numpy(first), self._mode, self._rng)
        self._state = output.state
        return output.action.numpy()

    def done(self, actions: Array) -> None: ...


def drawn(like: Array, spec: EnvSpec, obs: Obs, rng: np.random.Generator) -> Array:
    """Random actions that are allowed: uniform within their bounds, see `boxes.drawn` where a box lacks some."""
    action = spec.action
    if MASK in obs:
        return nth_allowed(obs[MASK], rng.integers(obs[MASK].sum(axis=1, dtype=np.int64)))
    if action.n is not None:
        return rng.integers(action.n, size=like.shape)
    found = boxes.drawn(np.array(action.low), np.array(action.high), len(like), rng, action.whole)
    return found.reshape(like.shape).astype(like.dtype)
