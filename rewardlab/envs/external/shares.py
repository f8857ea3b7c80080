"""Vector environments of our own in worker processes, a share of the N environments each (`env.processes=K`).

For worlds that are stepped by Python and restored exactly, such as Crafter and Atari's games. Each worker
(`worker.py`) makes the plug-in's own vector environment of its share, with its part of the levels. Every environment
has the seeds, levels and actions that it would have without workers: numbers and saved states are the same, and a run
goes on with any number of workers.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from rewardlab import discovery
from rewardlab.envs.batched import SOLVED
from rewardlab.envs.external.shared import shared_arrays
from rewardlab.envs.external.workers import RESULTS, shares_of, team_of
from rewardlab.envs.levels import Levels
from rewardlab.schemas import EnvConfig
from rewardlab.types import Array, EnvSpec, Obs, State, StepBatch

_RESULTS = ("reward", "terminated", "truncated", SOLVED)  # in the order of a `StepBatch`


class Shares:
    """See `VecEnv` and `PlaceableEnv`.

    Args:
        config: of the environment, with one process.
        processes: how many workers there are at most.
        privileged: full-state facts to compute.

    Raises:
        UserError: a worker cannot build its environments.
    """

    def __init__(
        self, config: EnvConfig, spec: EnvSpec, levels: Levels, privileged: Sequence[str], processes: int
    ) -> None:
        self.spec, self.num_envs = spec, levels.num_envs
        self._parts = shares_of(levels.num_envs, processes)
        self._facts: Obs = {}
        self._team = team_of(len(self._parts))
        try:
            for worker, part in zip(self._team.workers, self._parts, strict=True):
                which = part.start, part.stop, levels.num_envs
                own = levels.part(part.start, part.stop)
                worker.send(("whole", config.plugin, asdict(config), which, own, tuple(privileged)))
            shapes = self._team.answers()[0]
            self._arrays = shared_arrays(self._team.file, shapes, levels.num_envs)
        except BaseException:
            self._team.rest()
            raise

    def reset(self, seeds: Sequence[int]) -> Obs:
        """Start every environment anew; environment i owns the random stream of seeds[i] from here on.

        Raises:
            ValueError: not one seed for each environment.
        """
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        self._facts = _joined(self._all("reset", [(list(seeds[part]),) for part in self._parts]))
        return self._seen()

    def step(self, action: Array) -> StepBatch:
        """Step every environment; those that ended begin anew."""
        told = self._all("step", [(action[part],) for part in self._parts])
        self._facts = _joined([facts for facts, _, _ in told])
        obs = next_obs = self._seen()
        if any(last for *_, last in told):
            next_obs = {name: entry.copy() for name, entry in obs.items()}
        for part, (*_, last) in zip(self._parts, told, strict=True):
            for name, (rows, entries) in last.items():
                next_obs[name][part.start + rows] = entries
        reward, terminated, truncated, success = (self._arrays[name].copy() for name in _RESULTS)
        successor = _joined([successor for _, successor, _ in told])
        return StepBatch(obs, next_obs, reward.astype(np.float32), terminated, truncated, success, successor)

    def privileged(self) -> Obs:
        """Full-state facts of the current states (after automatic resets), each [N, ...]."""
        return self._facts

    def get_state(self) -> State:
        """The same as without workers."""
        joined: State = _joined(self._all("get_state"))
        return joined

    def set_state(self, state: State) -> None:
        self._facts = _joined(self._all("set_state", [(_cut(state, part),) for part in self._parts]))

    def take_places(self, where: Array) -> Obs:
        chosen = [(where >= part.start) & (where < part.stop) for part in self._parts]
        given = [(where[mine] - part.start,) for mine, part in zip(chosen, self._parts, strict=True)]
        asked = [i for i, mine in enumerate(chosen) if mine.any()]
        found: Obs = {}
        for i, places in zip(asked, self._some("take_places", asked, given), strict=True):
            for name, entry in places.items():
                found.setdefault(name, np.empty((len(where), *entry.shape[1:]), entry.dtype))[chosen[i]] = entry
        return found

    def put_places(self, where: Array, places: Obs) -> Obs:
        given = []
        for part in self._parts:
            mine = (where >= part.start) & (where < part.stop)
            given.append((where[mine] - part.start, {name: entry[mine] for name, entry in places.items()}))
        self._facts = _joined(self._all("put_places", given))
        return self._seen()

    def close(self) -> None:
        """Let the workers close their environments and rest; where one can't, end them all."""
        if self._parts:
            self._parts = []
            self._team.rest()

    def _seen(self) -> Obs:
        """What all show now, in arrays of its own."""
        return {name: self._arrays[name].copy() for name in self.spec.obs}

    def _all(self, does: str, given: Sequence[tuple[Any, ...]] | None = None) -> list[Any]:
        return self._some(does, range(len(self._parts)), given or [()] * len(self._parts))

    def _some(self, does: str, asked: Sequence[int], given: Sequence[tuple[Any, ...]]) -> list[Any]:
        for i in asked:
            self._team.workers[i].send((does, *given[i]))
        return self._team.answers(asked)


class Whole:
    """A worker's environments; the methods are those of `Shares`, and answer with full-state facts.

    Attributes:
        told: the shapes of what the file holds of all environments.
    """

    def __init__(
        self, file: int, plugin: str, options: dict[str, Any], which: tuple[int, int, int], *given: Any
    ) -> None:
        """Args:
        which: of the environments, the first and the one after the last, and how many there are.
        given: the levels of these, and the facts that are asked for.
        """
        start, stop, num_envs = which
        module = discovery.load("env", plugin)
        self._env = module.make(module.Config(**options), *given)
        self.told = {name: (entry.shape, entry.dtype) for name, entry in self._env.spec.obs.items()}
        self.told |= {name: ((), dtype) for name, dtype in RESULTS.items()}
        arrays = shared_arrays(file, self.told, num_envs)
        self._rows = {name: array[start:stop] for name, array in arrays.items()}

    def reset(self, seeds: list[int]) -> Obs:
        return self._shown(self._env.reset(seeds))

    def step(self, action: Array) -> tuple[Obs, Obs, dict[str, tuple[Array, Array]]]:
        """Facts of current states and of true successors; which episodes ended, and their last observations."""
        batch = self._env.step(action)
        results = batch.task_reward, batch.terminated, batch.truncated, batch.success
        for name, result in zip(_RESULTS, results, strict=True):
            self._rows[name][...] = result
        last = {}
        if batch.next_obs is not batch.obs:
            rows = np.flatnonzero(batch.terminated | batch.truncated)
            last = {name: (rows, entry[rows]) for name, entry in batch.next_obs.items()}
        return self._shown(batch.obs), batch.privileged, last

    def get_state(self) -> State:
        state: State = self._env.get_state()
        return state

    def set_state(self, state: State) -> Obs:
        self._env.set_state(state)
        facts: Obs = self._env.privileged()
        return facts

    def take_places(self, where: Array) -> Obs:
        places: Obs = self._env.take_places(where)
        return places

    def put_places(self, where: Array, places: Obs) -> Obs:
        return self._shown(self._env.put_places(where, places))

    def close(self) -> None:
        self._env.close()

    def _shown(self, obs: Obs) -> Obs:
        for name, entry in obs.items():
            self._rows[name][...] = entry
        facts: Obs = self._env.privileged()
        return facts


def _joined(parts: Sequence[Any]) -> Any:
    """The same tree with the rows of all parts one after another: arrays, tensors and lists."""
    first = parts[0]
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, torch.Tensor):
        return torch.cat(list(parts))
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    return [row for part in parts for row in part]


def _cut(tree: Any, part: slice) -> Any:
    """Some rows of a tree."""
    if isinstance(tree, dict):
        return {name: _cut(each, part) for name, each in tree.items()}
    return tree[part].clone() if isinstance(tree, torch.Tensor) else tree[part]
