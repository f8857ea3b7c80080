"""Recording episodes of the exact solver, of random actions, of walks or of trained policies as a dataset.

Quality: `noise` is the share of steps on which a uniformly random action takes the place of the player's; the solver
then finds a new shortest way from where that led. Diversity: so many episodes on so many levels, level after level
before any comes again, so that the first n episodes of a dataset are as diverse as they can be.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rewardlab import seeding
from rewardlab.datasets.writing import About, Recorded, Totals, write_dataset
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.maths import boxes
from rewardlab.schemas import RootConfig
from rewardlab.training.environments import longest_episode
from rewardlab.training.players import PLAY, RANDOM, SOLVER, Trained, drawn, make_player
from rewardlab.training.showing import require_finite, require_finite_step
from rewardlab.training.wrappers.repeat_env import make_env
from rewardlab.types import Array, EnvSpec, Obs, VecEnv

_AT_ONCE = 128  # levels played together
_SPARE = 4  # candidates for each level: some cannot be solved


@dataclass(frozen=True)
class Recording:
    """What to record.

    source: solver, random, play, or the folder of a run.
    episodes, levels: how many, and on how many distinct levels (as many by default).
    noise: share of random actions.
    keep: solved episodes only, or all.
    part: which of the sources of a dataset it is: levels and actions of each are drawn apart.
    """

    source: str = SOLVER
    episodes: int = 100
    levels: int | None = None
    noise: float = 0.0
    keep: str = "solved"
    seed: int = 0
    part: int = 0


def record(folder: Path, config: RootConfig, policies: Sequence[Trained | None], parts: Sequence[Recording]) -> Totals:
    """Record episodes as a new dataset `folder`, one part after the other.

    Args:
        policies: what plays in each part; None: what its source names.

    Raises:
        UserError: the solver does not know the environment, or so few are solved that their number is not reached;
            nothing has been written then.
        OSError: the dataset can't be written.
    """
    recorded = chain.from_iterable(_episodes(config, *each) for each in zip(policies, parts, strict=True))
    first = next(recorded)
    spec = _spec(config)
    return write_dataset(folder, chain([first], recorded), spec, _about(config, spec.id, policies, parts))


def _episodes(config: RootConfig, trained: Trained | None, what: Recording) -> Iterator[Recorded]:
    """The episodes, as they are kept.

    Raises:
        UserError: so few are solved that their number would not be reached.
    """
    wanted, levels = what.episodes, what.levels or what.episodes
    # 32-bit seeds, as those of training and evaluation; a stream of their own.
    stream = f"demonstrations/{what.part}" if what.part else "demonstrations"
    candidates = seeding.env_seeds(what.seed, stream, _SPARE * levels + 64)
    rng = seeding.numpy_rng(what.seed, stream)
    sampling = seeding.torch_rng(what.seed, stream)
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
        for episode in _play(config, trained, what, chunk, rng, sampling):
            if (what.keep == "all" or episode.success) and count < wanted:
                if len(good) < levels and episode.level not in good:
                    good.append(episode.level)
                count += 1
                yield episode
        print(f"\r{count} of {wanted} episodes", end="" if count < wanted else "\n", file=sys.stderr, flush=True)


def _play(
    config: RootConfig,
    trained: Trained | None,
    what: Recording,
    levels: Sequence[int],
    rng: np.random.Generator,
    sampling: torch.Generator,
) -> Iterator[Recorded]:
    """One whole episode on each level, in the order of the levels; those that the player cannot play are left out."""
    env: VecEnv = make_env(config.env, Levels(len(levels), lists=[[level] for level in levels]))
    try:
        player = make_player(config, what.source, trained, env, rng, sampling)
        obs = env.reset(list(levels))
        require_finite(env.spec, obs, "after a reset")
        running = player.begin()
        tracks = [_Track(level, {name: [entry[i]] for name, entry in obs.items()}) for i, level in enumerate(levels)]
        able, first = running.copy(), np.ones(len(levels), dtype=bool)
        limit, step = longest_episode(config, env.spec), 0
        while running.any():
            random = rng.random(len(levels)) < what.noise
            actions = player.actions(obs, first, running & ~random)
            actions = np.where(_beside(random, actions), drawn(actions, env.spec, obs, rng), actions)
            actions = _executed(actions, env.spec)
            batch = env.step(actions)
            require_finite_step(env.spec, batch)
            player.done(actions)
            ended, step = batch.terminated | batch.truncated, step + 1
            cut = running & ~ended & (step == limit)
            if cut.any():
                print(f"{cut.sum()} episodes did not end within {limit} steps: cut there", file=sys.stderr, flush=True)
                ended = ended | cut
            for i in np.flatnonzero(running):
                tracks[i].add(batch.next_obs, actions, batch.task_reward, int(i))
                if ended[i]:
                    terminated = bool(batch.terminated[i])
                    truncated = bool(batch.truncated[i]) or not terminated  # cut by us, where the task did not
                    tracks[i].end = (terminated, truncated, bool(batch.success[i]) and not cut[i])
            obs, first, running = batch.obs, ended, running & ~ended
    finally:
        env.close()
    yield from (track.whole() for track, played in zip(tracks, able, strict=True) if played)


def _beside(mask: Array, like: Array) -> Array:
    return mask.reshape(-1, *[1] * (like.ndim - 1))


def _executed(actions: Array, spec: EnvSpec) -> Array:
    """What is done where the policy asks for `actions`, [N] or [N, *shape]."""
    action = spec.action
    if action.n is not None:
        return actions
    low, high = (np.array(bound).reshape(action.shape) for bound in (action.low, action.high))
    return boxes.executed(actions, low, high, action.whole).astype(actions.dtype)


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
    env = make_env(config.env, Levels(1))
    env.close()
    return env.spec


def _about(config: RootConfig, world: str, policies: Sequence[Trained | None], parts: Sequence[Recording]) -> About:
    """What the dataset says of itself."""
    what = parts[0]
    how: dict[str, Any] = {"source": what.source, "noise": what.noise, "keep": what.keep, "seed": what.seed}
    if len(parts) > 1:
        how |= {
            "source": [part.source for part in parts],
            "keep": [part.keep for part in parts],
            "episodes": [part.episodes for part in parts],
        }
    registered = _registered(config)
    if registered != world:  # else it stands in the file already
        how["world"] = world
    named = {SOLVER: "exact solver", RANDOM: "random actions", PLAY: "walks to random places"}
    sources = zip(policies, parts, strict=True)
    players = dict.fromkeys(named[part.source] if policy is None else policy.name for policy, part in sources)
    return About(registered, ", ".join(players), {"env": config.env.name} | how)


def _registered(config: RootConfig) -> str:
    """The name of the environment in gymnasium's registry; empty for a world that stands in none."""
    from rewardlab.envs.registry import registered_ids, registered_name

    name = registered_name(getattr(config.env, "id", ""))
    return name if name in registered_ids() else ""
