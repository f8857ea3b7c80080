"""Demonstrations as tensors: what a dataset holds, and every way in which one may not fit."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab.commands.demos import record
from rewardlab.datasets.demonstrations import DemonstrationFile
from rewardlab.envs.grids import minigrid
from rewardlab.envs.levels import Levels
from rewardlab.errors import UserError
from rewardlab.training.recorder import Recording
from rewardlab.types import ActionSpec, EnvSpec, ObsSpec

ENV = "MiniGrid-DoorKey-5x5-v0"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demos") / "doorkey"
    assert record(["env=doorkey_5x5"], str(folder), Recording(episodes=6, levels=3, noise=0.2)) == 0
    return folder


@pytest.fixture(scope="module")
def spec() -> EnvSpec:
    return minigrid.make(minigrid.Config(id=ENV), Levels(1)).spec


def test_episodes_are_as_they_happened(dataset: Path, spec: EnvSpec) -> None:
    found = DemonstrationFile("agent.demos", str(dataset), spec).read()
    assert len(found.episodes) == 6 and found.frames == sum(len(episode) for episode in found.episodes)
    for level, episode, shown in zip(found.levels.tolist(), found.episodes, found.shown, strict=True):
        env = minigrid.make(minigrid.Config(id=ENV), Levels(1, lists=[[level]]))
        assert torch.equal(shown["image"][0], torch.from_numpy(env.reset([0])["image"][0]))
        for t, action in enumerate(episode.action.numpy()):
            assert torch.equal(shown["image"][t], episode.obs["image"][t])
            batch = env.step(np.array([action]))
            assert torch.equal(shown["image"][t + 1], torch.from_numpy(batch.next_obs["image"][0]))
            assert float(episode.task_reward[t]) == batch.task_reward[0]
        assert (episode.terminated, episode.truncated, episode.success) == (True, False, True)


def test_returns_are_discounted_within_each_episode(dataset: Path, spec: EnvSpec) -> None:
    found = DemonstrationFile("agent.demos", str(dataset), spec).read()
    flat = found.transitions(0.9)
    expected = []
    for episode in found.episodes:
        following, returns = 0.0, []
        for reward in reversed(episode.task_reward.tolist()):
            following = reward + 0.9 * following
            returns.insert(0, following)
        expected += returns
    assert np.allclose(flat.extra["return"], expected, atol=1e-6)
    assert len(flat.action) == len(flat.obs["image"]) == found.frames


def test_the_first_episodes_and_levels(dataset: Path, spec: EnvSpec) -> None:
    whole = DemonstrationFile("agent.demos", str(dataset), spec).read()
    two = DemonstrationFile("agent.demos", str(dataset), spec, episodes=2).read()
    assert two.levels.tolist() == whole.levels.tolist()[:2]
    assert torch.equal(two.episodes[1].action, whole.episodes[1].action)
    one = DemonstrationFile("agent.demos", str(dataset), spec, levels=1).read()
    assert one.levels.tolist() == [whole.levels[0]] * 2
    both = DemonstrationFile("agent.demos", str(dataset), spec, episodes=3, levels=2).read()
    assert both.levels.tolist() == whole.levels[[0, 1, 3]].tolist()


def test_a_minari_id_is_found_below_its_root(dataset: Path, spec: EnvSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(dataset.parent))
    assert DemonstrationFile("agent.demos", "doorkey", spec).read().frames


def test_what_does_not_fit_is_refused(dataset: Path, spec: EnvSpec, tmp_path: Path) -> None:
    seven = ObsSpec((5, 5, 3), "uint8", 10)
    for changed, line in (
        (replace(spec, obs={"vector": ObsSpec((4,), "float32")}), "its observations hold image"),
        (replace(spec, obs={"image": seven}), "its image has shape (7, 7, 3)"),
        (replace(spec, action=ActionSpec(n=3)), "its actions are Discrete(7)"),
        (replace(spec, action=ActionSpec(shape=(2,), low=(0, 0), high=(1, 1))), "its actions are Discrete(7)"),
    ):
        with pytest.raises(UserError, match=line.replace("(", r"\(").replace(")", r"\)")):
            DemonstrationFile("agent.demos", str(dataset), changed)
    with pytest.raises(UserError, match="nowhere: no dataset there"):
        DemonstrationFile("agent.demos", "nowhere", spec)
    with pytest.raises(UserError, match="7 episodes asked for, and it has 6"):
        DemonstrationFile("agent.demos", str(dataset), spec, episodes=7)
    with pytest.raises(UserError, match="4 levels asked for, and there are 3"):
        DemonstrationFile("agent.demos", str(dataset), spec, levels=4).read()


def test_another_world_of_the_same_spaces_is_said(dataset: Path, spec: EnvSpec, tmp_path: Path, capsys) -> None:
    unregistered = Path(shutil.copytree(dataset, tmp_path / "unregistered"))
    told = json.loads((unregistered / "data" / "metadata.json").read_text())
    del told["env_spec"]
    told["rewardlab"]["world"] = spec.id
    (unregistered / "data" / "metadata.json").write_text(json.dumps(told))
    for folder in (dataset, unregistered):
        for ours, line in (
            (spec.id, ""),
            ("somewhere:MiniGrid-DoorKey-5x5-v1", ""),
            ("MiniGrid-DoorKey-6x6-v0", f"recorded in {ENV}, not in MiniGrid-DoorKey-6x6-v0\n"),
        ):
            capsys.readouterr()
            DemonstrationFile("agent.demos", str(folder), replace(spec, id=ours)).read()
            said = capsys.readouterr().err
            assert said == (line and f"agent.demos={folder}: {line}")


@pytest.mark.parametrize("left", [0, 2000])
def test_damage_is_one_line_before_a_run(dataset: Path, spec: EnvSpec, tmp_path: Path, left: int) -> None:
    broken = Path(shutil.copytree(dataset, tmp_path / "broken"))
    main = broken / "data" / "main_data.hdf5"
    main.write_bytes(main.read_bytes()[:left])
    with pytest.raises(UserError, match=r"^agent.demos=.*broken: can't be read \(OSError: "):
        DemonstrationFile("agent.demos", str(broken), spec)


def test_no_environment_that_a_file_names_is_made(dataset: Path, spec: EnvSpec, tmp_path: Path) -> None:
    """Minari would make it to learn its spaces, and so import whatever module it names."""
    planted = Path(shutil.copytree(dataset, tmp_path / "planted"))
    path = planted / "data" / "metadata.json"
    told = json.loads(path.read_text())
    del told["observation_space"]
    told["env_spec"] = told["env_spec"].replace("minigrid.envs:DoorKeyEnv", "planted_module:Env")
    path.write_text(json.dumps(told))
    with pytest.raises(UserError, match="has no observation_space"):
        DemonstrationFile("agent.demos", str(planted), spec)


def test_values_out_of_range_are_refused(dataset: Path, spec: EnvSpec, tmp_path: Path) -> None:
    import h5py

    for entry, value, line in (("actions", 7, "actions outside of 0 to 6"), ("observations/image", 11, "0 to 10")):
        spoilt = Path(shutil.copytree(dataset, tmp_path / entry.replace("/", "_")))
        with h5py.File(spoilt / "data" / "main_data.hdf5", "a") as file:
            file[f"episode_0/{entry}"][0] = value
        with pytest.raises(UserError, match=line):
            DemonstrationFile("agent.demos", str(spoilt), spec).read()
