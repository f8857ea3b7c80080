"""Demonstrations from files in Minari's dataset format: whole episodes, and their steps as one flat batch.

Format: https://minari.farama.org, version 0.5 (an extra: `pip install 'rewardlab[demos]'`). A dataset is a folder with
`data/metadata.json` and `data/main_data.hdf5`, made by `rewardlab demos` or by Minari itself. Observations stand there
in our names, or as the environment shows them to gymnasium (`EnvSpec.native`). Files of any origin are read as numbers
and text: nothing in them is unpickled, imported or called.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rewardlab.datasets import fitting
from rewardlab.datasets.folders import EPISODES, METADATA, data_folder
from rewardlab.errors import UserError, one_line
from rewardlab.maths.boxes import executed
from rewardlab.maths.returns import returns_to_ends
from rewardlab.records.files import read_json
from rewardlab.types import Array, EnvSpec, Episode, Native, Obs, TensorObs, Transitions

UNKNOWN_LEVEL = -1


@dataclass(frozen=True)
class Demonstrations:
    """Whole episodes in the order of the file, and the seed of the level of each, int64 [E] (-1 where not known).

    shown: of each episode its L + 1 observations, the last true one included.
    """

    episodes: tuple[Episode, ...]
    levels: Array
    shown: tuple[TensorObs, ...]

    @property
    def frames(self) -> int:
        return sum(map(len, self.episodes))

    def transitions(self, gamma: float) -> Transitions:
        """All steps as one batch, in order; `extra` has the discounted `return` that followed each."""
        first = self.episodes[0]
        return Transitions(
            {name: torch.cat([episode.obs[name] for episode in self.episodes]) for name in first.obs},
            torch.cat([episode.action for episode in self.episodes]),
            {"return": torch.cat([returns_to_ends(episode.task_reward, gamma) for episode in self.episodes])},
        )


class DemonstrationFile:
    """The demonstrations of a dataset that fit an environment; what its metadata tell is checked at once.

    Args:
        key: the option that names the path, for refusals.
        path: the dataset's folder, or its Minari id below MINARI_DATASETS_PATH.
        spec: what observations and actions must be like.
        episodes: only the first so many of those that are left.
        levels: only those on the first so many distinct levels.

    Raises:
        UserError: no such dataset, one that does not fit, or fewer episodes than asked for.
    """

    def __init__(
        self, key: str, path: str, spec: EnvSpec, episodes: int | None = None, levels: int | None = None
    ) -> None:
        self.where, self.spec, self._episodes, self._levels = f"{key}={path}", spec, episodes, levels
        self._storage, metadata = _storage(self.where, _data_folder(self.where, path))
        self._recorded_in = fitting.other_world(metadata, spec)
        self._native = self._fitting()
        total = self._storage.total_episodes
        if total < (episodes or 1):
            raise UserError(f"{self.where}: {episodes or 1} episodes asked for, and it has {total}")

    def read(self) -> Demonstrations:
        """Raises:
        UserError: it can't be read, does not fit after all, or has fewer levels than asked for.
        """
        where, episodes, levels = self.where, self._episodes, self._levels
        found = list(self.each())
        seeds = [level for _, _, level in found]
        if len(found) < (episodes or 1):
            raise UserError(f"{where}: {episodes or 1} episodes asked for, and there are {len(found)}")
        if levels is not None and len(set(seeds)) < levels:
            raise UserError(f"{where}: {levels} levels asked for, and there are {len(set(seeds))}")
        return Demonstrations(
            tuple(episode for episode, _, _ in found),
            np.array(seeds, dtype=np.int64),
            tuple(shown for _, shown, _ in found),
        )

    def each(self) -> Iterator[tuple[Episode, TensorObs, int]]:
        """One episode after the other: what was done, what it showed, [L + 1, ...], and the seed of its level.

        Says on stderr where they were recorded in another environment, whose spaces are the same.

        Raises:
            UserError: it can't be read, or does not fit after all.
        """
        where = self.where
        if self._recorded_in is not None:
            print(f"{where}: recorded in {self._recorded_in}, not in {self.spec.id}", file=sys.stderr, flush=True)
        try:
            chosen, seeds = self._chosen
            start = int(getattr(self._storage.action_space, "start", 0))
            for raw, level in zip(self._storage.get_episodes(chosen), seeds, strict=True):
                yield (*_episode(where, raw, self.spec, start, self._native), level)
        except UserError:
            raise
        except Exception as error:  # whatever a damaged file leads to
            raise UserError(f"{where}: can't be read ({type(error).__name__}: {one_line(error, 200)})") from None

    @cached_property
    def _chosen(self) -> tuple[list[int], list[int]]:
        return _chosen(self._storage, self._episodes, self._levels)

    @property
    def count(self) -> int:
        """How many episodes there are.

        Raises:
            UserError: it can't be read.
        """
        return len(self._told)

    @property
    def steps(self) -> int:
        """How many steps they have, as the file says.

        Raises:
            UserError: it can't be read.
        """
        return sum(self._told)

    @cached_property
    def _told(self) -> list[int]:
        """The length of each episode, as the file says."""
        try:
            chosen, _ = self._chosen
            return [int(told["total_steps"]) for told in self._storage.get_episode_metadata(chosen)]
        except Exception as error:  # whatever a damaged file leads to
            raise UserError(f"{self.where}: can't be read ({type(error).__name__}: {one_line(error, 200)})") from None

    def _fitting(self) -> Native | None:
        """What makes our entries of its observations; None: they are ours already.

        Raises:
            UserError: observations or actions are not those of the environment.
        """
        spec, shown = self.spec, self._storage.observation_space
        native = spec.native
        reason = fitting.other_observations(shown, spec)
        if native is not None:
            other = fitting.unlike(shown, native.space, spec.id)
            if other is None:
                reason = None
            else:
                ours = set(spec.obs) <= set(fitting.named(shown)) and hasattr(shown, "spaces")
                native, reason = None, reason and (reason if ours else other)
        reason = reason or fitting.other_actions(self._storage.action_space, spec)
        if reason is not None:
            raise UserError(f"{self.where}: {reason}")
        return native


def minari_storage() -> Any:
    """Minari's class for files.

    Raises:
        UserError: it is not installed.
    """
    try:
        import h5py  # noqa: F401
        from minari.dataset.minari_storage import MinariStorage
    except ImportError as error:
        raise UserError(f"demonstrations need {error.name}: pip install 'rewardlab[demos]'") from None
    return MinariStorage


def _data_folder(where: str, path: str) -> Path:
    found = data_folder(path)
    if found is None:
        raise UserError(f"{where}: no dataset there (a folder with data/{METADATA}); record one with rewardlab demos")
    return found


def _storage(where: str, data: Path) -> tuple[Any, Mapping[str, Any]]:
    """The dataset, and its metadata as they stand in the file."""
    storage_class = minari_storage()
    import h5py

    metadata, reason = read_json(data / METADATA)
    if metadata is None:
        raise UserError(f"{where}: {reason}")
    for name in ("observation_space", "action_space"):
        if not isinstance(metadata.get(name), str):  # Minari would make the environment that the file names, to know
            raise UserError(f"{where}: its {METADATA} has no {name}")
    try:
        storage = storage_class.read(data)
        h5py.File(data / EPISODES).close()  # episodes are read when they are needed: one that is cut shows now
    except Exception as error:  # ImportError for formats other than hdf5; else a damaged file
        raise UserError(f"{where}: can't be read ({type(error).__name__}: {one_line(error, 200)})") from None
    return storage, metadata


def _chosen(storage: Any, episodes: int | None, levels: int | None) -> tuple[list[int], list[int]]:
    """Numbers of episodes, and the seeds of their levels."""
    chosen: list[int] = []
    seeds: list[int] = []
    kept: set[int] = set()
    for number, told in enumerate(storage.get_episode_metadata(range(storage.total_episodes))):
        seed = told.get("seed")
        level = UNKNOWN_LEVEL if seed is None else int(seed)
        if levels is not None and level not in kept and len(kept) == levels:
            continue
        kept.add(level)
        chosen.append(number)
        seeds.append(level)
        if episodes is not None and len(chosen) == episodes and (levels is None or len(kept) == levels):
            break
    if episodes is not None:
        chosen, seeds = chosen[:episodes], seeds[:episodes]
    return chosen, seeds


def _episode(
    where: str, raw: Mapping[str, Any], spec: EnvSpec, start: int, native: Native | None
) -> tuple[Episode, TensorObs]:
    """An episode, whose discrete actions the file counts from `start`, and what it showed."""
    reward = torch.from_numpy(np.asarray(raw["rewards"], dtype=np.float32).copy())
    observations = raw["observations"] if native is None else native.entries(raw["observations"])
    shown = _shown(where, observations, spec, len(reward) + 1)
    action = _action(where, np.asarray(raw["actions"]), spec, len(reward), start)
    _check_steps(where, raw, reward)
    terminated, truncated = bool(raw["terminations"][-1]), bool(raw["truncations"][-1])
    told = (raw["infos"] or {}).get("success")
    success = bool(told[-1]) if told is not None else terminated and float(reward[-1]) > 0
    obs = {name: entry[:-1] for name, entry in shown.items()}
    following = {name: entry[1:] for name, entry in shown.items()}
    return Episode(obs, action, reward, terminated, truncated, success, following), shown


def _check_steps(where: str, raw: Mapping[str, Any], reward: torch.Tensor) -> None:
    """Raises:
    UserError: it goes on after its end, or its rewards are no numbers.
    """
    number = raw.get("id", "?")
    if not bool(torch.isfinite(reward).all()):
        raise UserError(f"{where}: episode {number} has rewards that are not finite")
    for name in ("terminations", "truncations"):
        flags = np.asarray(raw[name])
        if flags.shape != tuple(reward.shape):
            raise UserError(f"{where}: episode {number} has {len(reward)} rewards and {len(flags)} {name}")
        if (early := np.flatnonzero(flags[:-1])).size:
            raise UserError(f"{where}: episode {number} goes on after its end, at step {early[0]} of {len(flags)}")


def _shown(where: str, observations: Any, spec: EnvSpec, count: int) -> TensorObs:
    if not isinstance(observations, Mapping):
        observations = {"vector": observations}
    shown: Obs = {}
    for name, entry in spec.obs.items():
        if name not in observations:
            given = ", ".join(observations)
            raise UserError(f"{where}: its observations hold {given}, and {spec.id} shows {name}")
        found = np.asarray(observations[name])
        if found.shape != (count, *entry.shape) or found.dtype.kind not in "iuf":
            raise UserError(
                f"{where}: {name} is {found.dtype} of shape {found.shape}, and an episode of {count - 1} steps in"
                f" {spec.id} has {entry.dtype} of shape {(count, *entry.shape)}"
            )
        if entry.high and (found.min() < 0 or found.max() > entry.high):
            raise UserError(f"{where}: {name} has values outside of 0 to {entry.high}")
        if not np.isfinite(found).all():
            raise UserError(f"{where}: {name} has values that are not finite")
        shown[name] = found.astype(entry.dtype)
    return {name: torch.from_numpy(entry) for name, entry in shown.items()}


def _action(where: str, action: Array, spec: EnvSpec, count: int, start: int) -> torch.Tensor:
    """Actions as they were executed: a file may hold what the policy asked for, beyond the bounds of a box."""
    taken, shape = spec.action, (count, *spec.action.shape)
    if not taken.discrete and len(action) == count:
        action = action.reshape(count, -1)  # of whatever shape: flat to a policy
    if action.shape != shape or action.dtype.kind not in "iuf" or not count:
        raise UserError(f"{where}: an episode's actions have shape {action.shape}, and {spec.id} takes {shape}")
    if taken.n is None:
        if not np.isfinite(action).all():
            raise UserError(f"{where}: has actions that are not finite")
        done = executed(action, np.array(taken.low), np.array(taken.high), taken.whole)
        return torch.from_numpy(done.astype(np.float32))
    last = start + taken.n - 1
    if action.min() < start or action.max() > last:
        raise UserError(f"{where}: has actions outside of {start} to {last}, which {spec.id} does not take")
    return torch.from_numpy(action.astype(np.int64) - start)
