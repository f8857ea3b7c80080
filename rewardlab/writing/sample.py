"""Transitions that code is tried on before anything is trained: random play, and the solver's ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rewardlab import seeding
from rewardlab.envs.levels import Levels
from rewardlab.facts import DISTANCE
from rewardlab.parts.written_state import VECTOR, state_layout
from rewardlab.schemas import RootConfig
from rewardlab.training.players import Player, RandomPlayer, SolverPlayer
from rewardlab.training.wrappers.repeat_env import make_env
from rewardlab.types import Array, EnvSpec, Obs, VecEnv

_ENVS, _STEPS = 16, 32
_LONGEST = 640  # steps of a solved way


@dataclass(frozen=True)
class Sample:
    """B transitions of a task.

    before, after: what code is computed from, each entry [B, ...]. task_reward: float32 [B]. way: int64 [B], the number
    of the solved way that a step is part of, in order; -1: random play. distance: int64 [B], fewest steps from after to
    success, or None.
    """

    spec: EnvSpec
    before: Obs
    action: Array
    after: Obs
    task_reward: Array
    way: Array
    distance: Array | None


def sample_of(config: RootConfig, facts: tuple[str, ...]) -> Sample:
    """Transitions of the task that a config names; all random where no solver knows it.

    Args:
        facts: of the full state that code reads; none: it reads the vector.

    Raises:
        UserError: there is none.
    """
    probe = _made(config, ())
    state_layout(probe.spec, facts, (1, 1, 3))  # refuses what code cannot read
    known = DISTANCE in probe.spec.privileged and probe.spec.backend == "fast"
    probe.close()
    read = (*facts, DISTANCE) if known else facts
    rows = _played(config, facts, read, solved=False)
    return _of([*rows, *_played(config, facts, read, solved=True)] if known else rows)


def _made(config: RootConfig, privileged: tuple[str, ...]) -> VecEnv:
    seeds = seeding.env_seeds(config.seed, "written_sample", _ENVS)
    env: VecEnv = make_env(config.env, Levels(_ENVS, lists=[[seed] for seed in seeds]), privileged)
    env.reset(seeds)
    return env


def _played(config: RootConfig, facts: tuple[str, ...], read: tuple[str, ...], *, solved: bool) -> list[Sample]:
    """Random play until there are rows enough, or one episode in each environment to its solved end."""
    env = _made(config, read)
    try:
        rng = seeding.numpy_rng(config.seed, "written_sample")
        player: Player = SolverPlayer(env) if solved else RandomPlayer(env, rng)
        running = player.begin()
        obs = env.reset(seeding.env_seeds(config.seed, "written_sample", _ENVS))
        rows: list[Sample] = []
        first, told = np.ones(_ENVS, dtype=bool), env.privileged()
        while running.any() and len(rows) < (_LONGEST if solved else _STEPS):
            action = player.actions(obs, first, running)
            batch = env.step(action)
            player.done(action)
            before, after = (told, batch.privileged) if facts else (obs, batch.next_obs)
            rows.append(
                _row(env.spec, facts, before, action, batch.task_reward, after, batch.privileged, running, solved)
            )
            if solved:
                running &= ~(batch.terminated | batch.truncated)
            obs, told = batch.obs, env.privileged()
            first = batch.terminated | batch.truncated
        return rows
    finally:
        env.close()


def _row(
    spec: EnvSpec,
    facts: tuple[str, ...],
    before: Obs,
    action: Array,
    task_reward: Array,
    after: Obs,
    privileged: Obs,
    running: Array,
    solved: bool,
) -> Sample:
    names = facts or (VECTOR,)
    way = np.arange(_ENVS) if solved else np.full(_ENVS, -1)
    return Sample(
        spec,
        {name: before[name][running].copy() for name in names},
        action[running],
        {name: after[name][running].copy() for name in names},
        task_reward[running],
        way[running],
        privileged[DISTANCE][running].copy() if DISTANCE in privileged else None,
    )


def _of(rows: list[Sample]) -> Sample:
    """Random play first, then the ways in their order, each in the order of its steps."""
    way = np.concatenate([row.way for row in rows])
    order = np.argsort(way, kind="stable")
    distances = [row.distance for row in rows if row.distance is not None]
    return Sample(
        rows[0].spec,
        {name: np.concatenate([row.before[name] for row in rows])[order] for name in rows[0].before},
        np.concatenate([row.action for row in rows])[order],
        {name: np.concatenate([row.after[name] for row in rows])[order] for name in rows[0].after},
        np.concatenate([row.task_reward for row in rows])[order],
        way[order],
        np.concatenate(distances)[order] if distances else None,
    )
