"""Episodes written as a dataset of Minari's format (https://minari.farama.org, version 0.5; the extra `demos`)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rewardlab.types import Array, EnvSpec, Obs, ObsSpec


@dataclass(frozen=True)
class Recorded:
    """One episode of L steps on a level: observations of L + 1 moments, and what was done and paid.

    action: int64 [L], counted from 0, or float32 [L, A], as it was executed.
    """

    level: int
    obs: Obs
    action: Array
    reward: Array
    terminated: bool
    truncated: bool
    success: bool


@dataclass(frozen=True)
class About:
    """What a dataset says of itself: the environment's name in gymnasium's registry ("" where it has none), who played,
    and what else.
    """

    env_id: str
    player: str
    facts: dict[str, Any]


@dataclass
class Totals:
    """What was written."""

    episodes: int = 0
    steps: int = 0
    returned: float = 0.0
    solved: int = 0
    levels: set[int] = field(default_factory=set)
    returns: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)  # what was acted on; of floats, to one decimal

    def add(self, episode: Recorded) -> None:
        self.returns.append(float(episode.reward.sum()))
        self.lengths.append(len(episode.action))
        told = [np.round(e, 1) + 0.0 if e.dtype.kind == "f" else e for e in episode.obs.values()]
        self.seen |= {hash(tuple(entry[i].tobytes() for entry in told)) for i in range(len(episode.action))}
        self.episodes += 1
        self.steps += len(episode.action)
        self.returned += float(episode.reward.sum())
        self.solved += episode.success
        self.levels.add(episode.level)


def write_dataset(folder: Path, episodes: Iterable[Recorded], spec: EnvSpec, about: About) -> Totals:
    """Write episodes of the environment `spec`, one after the other as they come, as a new dataset `folder`.

    Raises:
        OSError: it can't be written.
    """
    import gymnasium
    import minari
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    data = folder / "data"
    data.mkdir(parents=True)
    boxes: dict[str, spaces.Space[Any]] = {name: _box(entry) for name, entry in spec.obs.items()}
    action = (
        spaces.Discrete(spec.action.n, start=spec.action.start)
        if spec.action.n is not None
        else spaces.Box(np.array(spec.action.low, np.float32), np.array(spec.action.high, np.float32))
    )
    made_again = _serialisable(gymnasium.spec(about.env_id)) if about.env_id else None
    storage: Any = MinariStorage.new(data, spaces.Dict(boxes), action, made_again, jpeg_encoding=False)
    totals = Totals()

    def buffers() -> Iterator[Any]:
        for episode in episodes:
            totals.add(episode)
            yield EpisodeBuffer(
                seed=episode.level,
                observations=episode.obs,
                actions=episode.action + spec.action.start if spec.action.discrete else episode.action,
                rewards=episode.reward,
                terminations=_last(episode.terminated, len(episode.action)),
                truncations=_last(episode.truncated, len(episode.action)),
                infos={"success": _last(episode.success, len(episode.action) + 1)},
            )

    storage.update_episodes(buffers())
    found = {
        "levels": len(totals.levels),
        "return_mean": totals.returned / totals.episodes,
        "success_rate": totals.solved / totals.episodes,
    }
    storage.update_metadata(
        {
            "dataset_id": _dataset_id(folder),
            "algorithm_name": about.player,
            "minari_version": minari.__version__,
            "author": {"rewardlab"},
            "rewardlab": about.facts | found,
        }
    )
    return totals


def _box(entry: ObsSpec) -> Any:
    from gymnasium.spaces import Box

    if entry.high:
        return Box(0, entry.high, entry.shape, np.dtype(entry.dtype).type)
    if entry.bounds is None:
        return Box(-np.inf, np.inf, entry.shape, np.float32)
    low, high = (np.array(bound, np.float32).reshape(entry.shape) for bound in entry.bounds)
    return Box(low, high)


def _serialisable(registered: Any) -> Any:
    """What Minari can make the environment of again; None where it was registered with code instead of names."""
    try:
        registered.to_json()
    except (TypeError, ValueError):
        return None
    return registered


def _last(value: bool, count: int) -> Array:
    """bool [count], false but in the last place."""
    flags = np.zeros(count, dtype=bool)
    flags[-1] = value
    return flags


def _dataset_id(folder: Path) -> str:
    """A name that Minari accepts: letters, digits, - and _, with a version."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", folder.name.strip(".").removesuffix(".partial"))
    return name if re.search(r"-v\d+$", name) else f"{name}-v0"
