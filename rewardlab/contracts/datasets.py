"""Demonstrations for what is tested with some: of a real task, or made up for a made-up world."""

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from rewardlab.config import composition
from rewardlab.datasets.writing import About, Recorded, write_dataset
from rewardlab.training.recorder import Recording, record
from rewardlab.types import Array, EnvSpec, Obs

_EPISODES, _STEPS = 3, 10
_made_up: dict[str, str] = {}
_folders: list[tempfile.TemporaryDirectory[str]] = []


@cache
def solved(choice: str) -> str:
    """The folder of some episodes of the exact solver in the environment `choice`."""
    folder = _new_folder()
    record(folder, composition.compose([choice]).config, [None], [Recording(episodes=6, levels=4)])
    return str(folder)


def made_up(spec: EnvSpec) -> str:
    """The folder of episodes with random observations and actions."""
    if spec.id not in _made_up:
        folder = _new_folder()
        write_dataset(folder, _episodes(spec, np.random.default_rng(31)), spec, About("", "nobody", {}))
        _made_up[spec.id] = str(folder)
    return _made_up[spec.id]


def _new_folder() -> Path:
    """A place that is there until the process ends."""
    _folders.append(tempfile.TemporaryDirectory(prefix="rewardlab-laws-"))
    return Path(_folders[-1].name) / "demos"


def _episodes(spec: EnvSpec, rng: np.random.Generator) -> Iterator[Recorded]:
    for level in range(_EPISODES):
        obs: Obs = {}
        for name, entry in spec.obs.items():
            shape = (_STEPS + 1, *entry.shape)
            drawn = rng.integers(entry.high + 1, size=shape) if entry.high else rng.normal(size=shape)
            obs[name] = drawn.astype(entry.dtype)
        if spec.action.n is not None:
            action: Array = rng.integers(spec.action.n, size=_STEPS)
        else:
            action = rng.uniform(-1, 1, (_STEPS, *spec.action.shape)).astype(np.float32)
        reward = (np.arange(_STEPS) == _STEPS - 1).astype(np.float32)
        yield Recorded(level, obs, action, reward, True, False, True)
