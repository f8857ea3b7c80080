"""A data set as one block of steps: what follows what, what it takes, and every way in which it may be damaged."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from rewardlab.commands.demos import record
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.datasets.steps import StoredSteps, read_steps
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.training.recorder import Recording
from rewardlab.types import EnvSpec

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Solved episodes, and after them ones that the limit of steps cuts."""
    folder = tmp_path_factory.mktemp("data") / "mixed"
    parts = Recording(episodes=3), Recording("random", episodes=2, keep="all", part=1)
    assert record(["env=doorkey_5x5"], str(folder), *parts) == 0
    return folder


@pytest.fixture(scope="module")
def spec() -> EnvSpec:
    return minigrid.make(minigrid.Config(id="MiniGrid-DoorKey-5x5-v0"), Levels(1)).spec


def read(folder: Path, spec: EnvSpec, **options: int) -> StoredSteps:
    file = DemonstrationFile("agent.data", str(folder), spec, **options)
    return read_steps(file, 0.9, lambda episode: episode.task_reward, CPU)


def test_no_step_is_followed_by_another_episode_and_a_limit_is_no_end(dataset: Path, spec: EnvSpec) -> None:
    data, found = read(dataset, spec), DemonstrationFile("agent.data", str(dataset), spec).read()
    batch = data.at(np.arange(len(data)))
    at = 0
    assert {episode.terminated for episode in found.episodes} == {True, False}
    for number, (episode, shown) in enumerate(zip(found.episodes, found.shown, strict=True)):
        here = slice(at, at + len(episode))
        assert torch.equal(batch.obs["image"][here], shown["image"][:-1])
        assert torch.equal(batch.next_obs["image"][here], shown["image"][1:])
        assert torch.equal(batch.action[here], episode.action)
        assert torch.equal(batch.extra["reward"][here], episode.task_reward)
        last = torch.arange(len(episode)) == len(episode) - 1
        assert torch.allclose(batch.extra["discount"][here], 0.9 * (~(last & episode.terminated)).float())
        assert data.returns[number] == pytest.approx(float(episode.task_reward.sum()))
        assert set(data.episodes(np.arange(here.start, here.stop))) == {number}
        at = here.stop
    assert at == len(data) and np.array_equal(data.rows(np.arange(len(data))), data._rows.numpy())
    assert len(read(dataset, spec, episodes=2)) == len(found.episodes[0]) + len(found.episodes[1])


def test_a_large_set_takes_little_more_than_it_is() -> None:
    """Of a point maze, whose steps are small: one observation is not kept twice."""
    episodes, length = 100, 100
    count = episodes * length
    obs = {"vector": torch.zeros(count + episodes, 8)}
    data = StoredSteps(
        obs, torch.zeros(count, 2), torch.zeros(count), torch.zeros(count, dtype=torch.bool),
        np.arange(episodes + 1) * length, 0.9,
    )  # fmt: skip
    raw = (count + episodes) * 8 * 4 + count * (2 * 4 + 4 + 1)
    assert data.nbytes <= 1.15 * raw


def damaged(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "damaged"))


def write(folder: Path, key: str, change) -> None:
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        found = change(file[key][()])
        del file[key]
        file[key] = found


def ended_early(flags):
    return np.arange(len(flags)) % 3 == 2


@pytest.mark.parametrize(
    ("key", "change", "line"),
    [
        ("episode_1/terminations", np.zeros_like, "episode 1 has no end"),
        ("episode_3/terminations", ended_early, "episode 3 goes on after its end, at step 2 of "),
        ("episode_0/rewards", lambda paid: paid * np.nan, "episode 0 has rewards that are not finite"),
        ("episode_0/truncations", lambda flags: flags[:-1], "truncations"),
        ("episode_2/actions", lambda action: action + 50, "has actions outside of 0 to 6"),
        ("episode_2/observations/image", lambda image: image[:-2], "and an episode of "),
        ("episode_2/observations/image", lambda image: image.astype("S1"), "image is |S1"),
    ],
)
def test_damage_is_one_clear_line(dataset: Path, spec: EnvSpec, tmp_path: Path, key, change, line) -> None:
    folder = damaged(dataset, tmp_path)
    write(folder, key, change)
    with pytest.raises(UserError) as told:
        read(folder, spec)
    assert line in str(told.value) and "\n" not in str(told.value) and str(told.value).startswith("agent.data=")


def test_a_cut_file_is_one_clear_line(dataset: Path, spec: EnvSpec, tmp_path: Path) -> None:
    folder = damaged(dataset, tmp_path)
    file = folder / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UserError, match=r"^agent.data=.*can't be read"):
        read(folder, spec)
