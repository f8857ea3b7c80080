"""`rewardlab demos`: whole episodes of the exact solver or of a trained run, written as a dataset of Minari's format.

Quality: `noise` is the share of steps on which a uniformly random action takes the place of the player's; the solver
then finds a new shortest way from where that led. Diversity: so many episodes on so many levels, level after level
before any comes again, so that the first n episodes of a dataset are as diverse as they can be.
"""

import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rewardlab import discovery, seeding, trained
from rewardlab.config import composition
from rewardlab.errors import UserError
from rewardlab.parts.demonstrations import minari_storage
from rewardlab.records.dataset import About, Recorded, write_dataset
from rewardlab.records.store import CONFIG
from rewardlab.schemas import RootConfig
from rewardlab.types import Agent, Array, EnvSpec, Obs, VecEnv
from rewardlab.types.facts import DISTANCE

SOLVER = "solver"
_AT_ONCE = 128  # levels played together
_SPARE = 4  # candidates for each level: some cannot be solved


@dataclass(frozen=True)
class Request:
    """What to record.

    source: solver, or the folder of a run.
    episodes, levels: how many, and on how many distinct levels (as many by default).
    noise: share of random actions.
    keep: solved episodes only, or all.
    """

    overrides: Sequence[str]
    out: str
    source: str = SOLVER
    episodes: int = 100
    levels: int | None = None
    noise: float = 0.0
    keep: str = "solved"
    seed: int = 0


def main(given: Namespace) -> int:
    """Record what the flags ask for."""
    return record(Request(**vars(given)))


def record(request: Request) -> int:
    """Record episodes, write the dataset and say what is in it. Returns the exit code.

    Raises:
        UserError: in one line, what is wrong and what is allowed; nothing is written then.
    """
    _check(request)
    minari_storage()
    target = _target(request.out)
    torch.set_num_threads(1)
    config, agent = _subject(request)
    recorded = _record(config, agent, request)
    first = next(recorded)
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        totals = write_dataset(partial, chain([first], recorded), _spec(config), about=_about(config, request))
        partial.rename(target)
    except OSError as error:
        raise UserError(f"--out {request.out}: can't be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(
        f"{request.out}: {totals.episodes} episodes on {len(totals.levels)} levels, {totals.steps} steps,"
        f" mean return {totals.returned / totals.episodes:.3f}, {totals.solved / totals.episodes:.0%} solved"
    )
    return 0


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
        from rewardlab.gridworld.solver import solve

        states = {name: tensor.numpy() for name, tensor in self._env.get_state()["worlds"].items()}
        found = [solve(self._env.spec.id, states, i).actions for i in where]
        return [list(way) if way else None for way in found]


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


def _check(request: Request) -> None:
    for flag, value, least in (("--episodes", request.episodes, 1), ("--seed", request.seed, 0)):
        if value < least:
            raise UserError(f"{flag} {value}: must be at least {least}")
    if request.levels is not None and not 1 <= request.levels <= request.episodes:
        raise UserError(f"--levels {request.levels}: must be from 1 to the number of episodes, {request.episodes}")
    if not 0 <= request.noise <= 1:
        raise UserError(f"--noise {request.noise:g}: must be from 0 to 1")


def _target(out: str) -> Path:
    target = Path(out).expanduser().absolute()
    if target.exists():
        raise UserError(f"--out {out}: is there already; name another folder")
    return target


def _subject(request: Request) -> tuple[RootConfig, Agent | None]:
    """The config whose environment is played, and the agent that plays it, if it is not the solver."""
    if request.source == SOLVER:
        for text in request.overrides:
            if not text.lstrip("+").startswith("env"):
                raise UserError(f"{text}: only env=NAME and env.OPTION=VALUE matter here")
        return composition.compose(request.overrides).config, None
    if request.overrides:
        raise UserError(f"{request.overrides[0]}: --from RUN plays that run's environment; leave it out")
    folder = trained.run_folder(request.source)
    config = trained.run_config(folder)
    agent, conditioner = trained.learners(folder, config)
    if conditioner is not None:
        raise UserError(f"{folder / CONFIG}: its policy follows the goals of {config.curriculum.name}, which no"
                        " demonstration shows")  # fmt: skip
    return config, agent


def _record(config: RootConfig, agent: Agent | None, request: Request) -> Iterator[Recorded]:
    """The episodes, as they are kept.

    Raises:
        UserError: so few are solved that their number would not be reached.
    """
    wanted, levels = request.episodes, request.levels or request.episodes
    # 32-bit seeds, as those of training and evaluation; a stream of their own.
    candidates = seeding.env_seeds(request.seed, "demonstrations", _SPARE * levels + 64)
    rng = seeding.numpy_rng(request.seed, "demonstrations")
    sampling = seeding.torch_rng(request.seed, "demonstrations")
    good: list[int] = []
    count = attempts = played = 0
    while count < wanted:
        if len(good) < levels and played < len(candidates):  # the first round, until so many levels have an episode
            chunk = candidates[played : played + min(_AT_ONCE, levels - len(good))]
            played += len(chunk)
        else:
            chunk = [good[(count + k) % len(good)] for k in range(min(_AT_ONCE, len(good), wanted - count))] or []
        attempts += len(chunk)
        if not chunk or attempts > 20 * wanted + len(candidates):
            raise UserError(
                f"only {count} of {wanted} episodes were solved in {attempts} attempts; lower --noise, take a better"
                " run, or --keep all"
            )
        for episode in _play(config, agent, chunk, request.noise, rng, sampling):
            if (request.keep == "all" or episode.success) and count < wanted:
                if len(good) < levels and episode.level not in good:
                    good.append(episode.level)
                count += 1
                yield episode
        print(f"\r{count} of {wanted} episodes", end="" if count < wanted else "\n", file=sys.stderr, flush=True)


def _play(
    config: RootConfig,
    agent: Agent | None,
    levels: Sequence[int],
    noise: float,
    rng: np.random.Generator,
    sampling: torch.Generator,
) -> Iterator[Recorded]:
    """One whole episode on each level, in the order of the levels; those that the player cannot play are left out."""
    env: VecEnv = discovery.load("env", config.env.plugin).make(
        config.env, len(levels), level_lists=[[level] for level in levels]
    )
    try:
        player: Player = (
            SolverPlayer(env) if agent is None else PolicyPlayer(agent, len(levels), sampling, config.eval.policy)
        )
        obs = env.reset(list(levels))
        running = player.begin()
        tracks = [_Track(level, {name: [entry[i]] for name, entry in obs.items()}) for i, level in enumerate(levels)]
        able, first = running.copy(), np.ones(len(levels), dtype=bool)
        while running.any():
            random = rng.random(len(levels)) < noise
            actions = player.actions(obs, first, running & ~random)
            actions = np.where(_beside(random, actions), _drawn(actions, env.spec, rng), actions)
            batch = env.step(actions)
            player.done(actions)
            ended = batch.terminated | batch.truncated
            for i in np.flatnonzero(running):
                tracks[i].add(batch.next_obs, actions, batch.task_reward, int(i))
                if ended[i]:
                    tracks[i].end = (bool(batch.terminated[i]), bool(batch.truncated[i]), bool(batch.success[i]))
            obs, first, running = batch.obs, ended, running & ~ended
    finally:
        env.close()
    yield from (track.whole() for track, played in zip(tracks, able, strict=True) if played)


def _beside(mask: Array, like: Array) -> Array:
    return mask.reshape(-1, *[1] * (like.ndim - 1))


def _drawn(like: Array, spec: EnvSpec, rng: np.random.Generator) -> Array:
    """Uniformly random actions (within [-1, 1] where a box has no bounds)."""
    if spec.action.n is not None:
        return rng.integers(spec.action.n, size=like.shape)
    low, high = np.maximum(spec.action.low, -1.0), np.minimum(spec.action.high, 1.0)
    return rng.uniform(low, high, size=like.shape).astype(like.dtype)


class _Track:
    """An episode under way."""

    def __init__(self, level: int, obs: dict[str, list[Array]]) -> None:
        self._level, self._obs = level, obs
        self._actions: list[Any] = []
        self._rewards: list[float] = []
        self.end = (False, False, False)

    def add(self, obs: Obs, actions: Array, rewards: Array, i: int) -> None:
        for name, entries in self._obs.items():
            entries.append(obs[name][i].copy())
        self._actions.append(actions[i])
        self._rewards.append(float(rewards[i]))

    def whole(self) -> Recorded:
        obs = {name: np.stack(entries) for name, entries in self._obs.items()}
        return Recorded(self._level, obs, np.array(self._actions), np.array(self._rewards, dtype=np.float32), *self.end)


def _spec(config: RootConfig) -> EnvSpec:
    env: VecEnv = discovery.load("env", config.env.plugin).make(config.env, 1)
    env.close()
    return env.spec


def _about(config: RootConfig, request: Request) -> About:
    """What the dataset says of itself."""
    how = {"source": request.source, "noise": request.noise, "keep": request.keep, "seed": request.seed}
    player = "exact solver" if request.source == SOLVER else config.agent.name
    return About(getattr(config.env, "id", ""), player, {"env": config.env.name} | how)
