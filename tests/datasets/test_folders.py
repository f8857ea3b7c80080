"""What tells datasets apart: their bytes, wherever they lie."""

import builtins
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewardlab.commands.demos import record
from rewardlab.config.composition import compose
from rewardlab.datasets import folders
from rewardlab.datasets.folders import EPISODES, fingerprint
from rewardlab.training.recorder import Recording


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demos") / "empty"
    assert record(["env=empty_5x5"], str(folder), Recording(episodes=2)) == 0
    return folder


@pytest.fixture
def dataset(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Path(shutil.copytree(original, tmp_path / "demos"))


def setting(folder: Path) -> str:
    return compose(["env=empty_5x5", "agent.pretrain=bc", f"agent.demos={folder}"]).setting_id


def reward_of(folder: Path) -> float:
    import h5py

    with h5py.File(folder / "data" / EPISODES) as file:
        return float(file["episode_0/rewards"][-1])


def change(folder: Path) -> None:
    """Another number in the same place, by hand: as long as before, and as old."""
    import h5py

    path = folder / "data" / EPISODES
    told = path.stat()
    with h5py.File(path, "a") as file:
        file["episode_0/rewards"][-1] = 0.25
    assert path.stat().st_size == told.st_size
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def test_content_changed_in_place_is_another_setting(dataset: Path) -> None:
    before = setting(dataset)
    assert setting(dataset) == before
    change(dataset)
    assert reward_of(dataset) == 0.25
    assert setting(dataset) != before


def test_a_copy_elsewhere_is_the_same_setting(dataset: Path, tmp_path: Path) -> None:
    assert setting(Path(shutil.copytree(dataset, tmp_path / "elsewhere"))) == setting(dataset)


def test_a_file_that_has_settled_is_read_once(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, reads: Callable[[], int]
) -> None:
    for _ in range(2):
        fingerprint(str(dataset))
    assert reads() == 2, "a file that is so new may change once more unseen"
    later = time.time() + 60
    monkeypatch.setattr(folders.time, "time", lambda: later)
    found = {fingerprint(str(dataset)) for _ in range(3)}
    assert reads() == 3 and len(found) == 1
    change(dataset)
    assert fingerprint(str(dataset)) not in found


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often the file of the episodes was opened."""
    opened: list[Path] = []

    def counted(file: Any, *arguments: Any, **options: Any) -> Any:
        if Path(file).name == EPISODES:
            opened.append(Path(file))
        return builtins.open(file, *arguments, **options)

    monkeypatch.setattr(folders, "open", counted, raising=False)
    return lambda: len(opened)


def test_a_cache_that_cannot_be_written_is_no_matter(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(str(dataset))
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "occupied"))
    later = time.time() + 60
    monkeypatch.setattr(folders.time, "time", lambda: later)
    assert fingerprint(str(dataset)) == before


def test_without_demonstrations_nothing_is_hashed(reads: Callable[[], int]) -> None:
    compose(["env=empty_5x5"])
    assert reads() == 0
