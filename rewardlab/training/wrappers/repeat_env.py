"""Several episodes of one level that count as one: what was found in the first can be of use in the next.

Papers: Rentschler and Roberts 2025, Exploitation is all you need... for exploration (arXiv:2508.01287); Duan et al.
2016, RL^2: fast reinforcement learning via slow reinforcement learning (the form of the task)

The end of an episode is no end: the next one begins with the step itself, in the state in which the first began, and a
number in `vector` says so. A memory that ends with episodes lives on. What chance does in the next one is new. Of
bandits that show the last pull, that of the episode before is seen there, as nothing else would tell what it paid.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from rewardlab import discovery
from rewardlab.envs.arrays.base import ArrayEnv
from rewardlab.envs.bandits.base import ArmsEnv
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.schemas import EnvConfig
from rewardlab.types import Array, EnvSpec, Obs, ObsSpec, PlaceableEnv, State, StepBatch, TaskFacts, VecEnv

FIRST, LATEST = "first_length", "last_length"  # facts: steps of the task's first episode, and of its latest
_OWN = (FIRST, LATEST)
_STREAMS = "streams"  # of a place: the randomness of what is left, which is not put back


def make_env(config: EnvConfig, levels: Levels, privileged: Sequence[str] = ()) -> VecEnv:
    """The environments of a config, as the plug-in makes them, or so many episodes of a level as one.

    Raises:
        UserError: episodes of it cannot begin where others began.
    """
    make = discovery.load("env", config.plugin).make
    if config.repeats == 1:
        env: VecEnv = make(config, levels, privileged)
        return env
    inner = tuple(name for name in privileged if name not in _OWN)
    own = tuple(name for name in privileged if name in _OWN)
    return RepeatEnv(make(config, levels.repeated(config.repeats), inner), config.repeats, own)


class RepeatEnv:
    """Attributes:
    count: int64 [N], episodes of the running task that have ended.
    """

    def __init__(self, env: VecEnv, repeats: int, asked: Sequence[str] = ()) -> None:
        """Args:
        env: its levels are those of `Levels.repeated`.
        asked: those of its own facts that are to be told.
        """
        spec = env.spec
        if not (spec.placeable or isinstance(env, ArrayEnv)) or spec.goals:
            env.close()
            raise UserError(
                f"env.repeats={repeats}: {spec.id} "
                + ("shows goals, which change" if spec.goals else "can't be put back to where an episode began")
                + "; use a MiniGrid task on env.backend=fast, or a bandit"
            )
        self._env, self._repeats, self.num_envs = cast(PlaceableEnv, env), repeats, env.num_envs
        self.spec = _spec_of(spec, repeats, isinstance(env, ArmsEnv))
        self._asked = asked
        self.count = np.zeros(env.num_envs, dtype=np.int64)
        self._steps, self._first, self._latest = (np.zeros(env.num_envs, dtype=np.int64) for _ in range(3))
        self._start: Obs = {}

    def reset(self, seeds: Sequence[int]) -> Obs:
        obs = self._env.reset(seeds)
        for each in (self.count, self._steps, self._first, self._latest):
            each[:] = 0
        self._start = self._taken(np.arange(self.num_envs))
        return self._shown(obs, np.zeros(self.num_envs, dtype=bool))

    def step(self, action: Array) -> StepBatch:
        batch = self._env.step(action)
        self._steps += 1
        ended = batch.terminated | batch.truncated
        self.count += ended
        self._first = np.where(ended & (self.count == 1), self._steps, self._first)
        self._latest = np.where(ended, self._steps, self._latest)
        told = batch.privileged | self._told()
        over = self.count == self._repeats
        again, obs, successor = ended & ~over, batch.obs, batch.next_obs
        if again.any():
            where = np.flatnonzero(again)
            obs = self._env.put_places(where, {name: entry[where] for name, entry in self._start.items()})
            if arms := self.spec.arms:  # what the last pull paid and cost is still to be seen
                assert self.spec.action.n is not None
                width = self.spec.action.n + 1 + arms.costs
                obs["vector"][where, :width] = batch.next_obs["vector"][where, :width]
            successor = {name: entry.copy() for name, entry in successor.items()}
            for name, entry in successor.items():
                entry[where] = obs[name][where]
        if over.any():
            where = np.flatnonzero(over)
            for name, entry in self._taken(where).items():
                self._start[name][where] = entry
            self.count[where], self._first[where], self._latest[where] = 0, 0, 0
        self._steps[ended] = 0
        return replace(
            batch,
            obs=self._shown(obs, again),
            next_obs=self._shown(successor, again),
            terminated=batch.terminated & over,
            truncated=batch.truncated & over,
            success=batch.success & over,
            privileged=told,
        )

    def privileged(self) -> Obs:
        return self._env.privileged() | self._told()

    def get_state(self) -> State:
        own = {"count": self.count, "steps": self._steps, "first": self._first, "latest": self._latest}
        return {
            "env": self._env.get_state(),
            "own": {name: torch.from_numpy(entry.copy()) for name, entry in own.items()},
            "start": {name: torch.from_numpy(entry.copy()) for name, entry in self._start.items()},
        }

    def set_state(self, state: State) -> None:
        self._env.set_state(state["env"])
        own = {name: entry.cpu().numpy().copy() for name, entry in state["own"].items()}
        self.count, self._steps, self._first, self._latest = (
            own[name] for name in ("count", "steps", "first", "latest")
        )
        self._start = {name: entry.cpu().numpy().copy() for name, entry in state["start"].items()}

    def close(self) -> None:
        self._env.close()

    def _told(self) -> Obs:
        own = {FIRST: self._first, LATEST: self._latest}
        return {name: own[name].copy() for name in self._asked}

    def _taken(self, where: Array) -> Obs:
        taken = self._env.take_places(where)
        return {name: np.array(entry) for name, entry in taken.items() if name != _STREAMS}

    def _shown(self, obs: Obs, again: Array) -> Obs:
        flag = again[:, None].astype(np.float32)
        before = [obs["vector"]] if "vector" in obs else []
        return obs | {"vector": np.concatenate([*before, flag], axis=1)}


def _spec_of(spec: EnvSpec, repeats: int, learns_arms: bool) -> EnvSpec:
    before = spec.obs.get("vector", ObsSpec((0,), "float32", bounds=((), ())))
    bounds: Any = None if before.bounds is None else ((*before.bounds[0], 0.0), (*before.bounds[1], 1.0))
    vector = ObsSpec((before.shape[0] + 1,), "float32", bounds=bounds)
    return replace(
        spec,
        id=f"{spec.id}-x{repeats}",
        obs={**spec.obs, "vector": vector},
        max_steps=None if spec.max_steps is None else repeats * spec.max_steps,
        task=_task_of(spec.task, repeats, learns_arms),
        privileged=(*spec.privileged, *_OWN),
        tells=(*spec.tells, *_OWN),
        limits_vary=True,
        placeable=False,
        mazes=0,
        native=None,
        mdp=None,
        arms=None if spec.arms is None else replace(spec.arms, budget=_times(repeats, spec.arms.budget)),
    )


def _times(repeats: int, value: float | None) -> float | None:
    return None if value is None else repeats * value


def _task_of(task: TaskFacts, repeats: int, learns_arms: bool) -> TaskFacts:
    """So many times the return of one episode bounds that of all, unless it is of a learner that knows nothing yet."""
    known = task.optimal_return is not None and not (learns_arms and task.optimum_kind == "exact")
    return replace(
        task,
        random_return=_times(repeats, task.random_return),
        optimal_return=_times(repeats, task.optimal_return) if known else None,
        optimum_kind="bound" if known else "unavailable",
        lowest_return=_times(repeats, task.lowest_return),
        success=None if task.success is None else f"{task.success}, in the last of {repeats} episodes",
    )
