"""`rewardlab play`: the GIF of a real run, and what is refused."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from rewardlab.cli import main
from rewardlab.config.composition import compose
from rewardlab.run import run

TINY = ["env=empty_5x5", "num_envs=4", "frames=512", "agent.rollout_steps=32", "eval.every=512", "eval.episodes=2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepared = compose([*TINY, "reward=count", f"results_dir={tmp_path_factory.mktemp('results')}"])
    assert run(prepared) == 0
    return prepared.folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(finished, tmp_path / "a run, with = and 'quotes'"))


def steps_and_returns(out: str) -> list[tuple[int, float]]:
    found = re.findall(r"^episode \d+: return (\S+) in (\d+) steps, (?:solved|failed|out of time)$", out, re.MULTILINE)
    return [(int(steps), float(paid)) for paid, steps in found]


def durations(path: Path) -> list[int]:
    with Image.open(path) as gif:
        times = []
        for index in range(gif.n_frames):
            gif.seek(index)
            times.append(gif.info["duration"])
    return times


def test_every_step_of_whole_episodes_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", str(folder), "--episodes", "2"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == str(folder / "play.gif")
    episodes = steps_and_returns(out)
    assert len(episodes) == 2
    for steps, paid in episodes:
        assert paid == (pytest.approx(1 - 0.9 * steps / 100, abs=1e-5) if paid else 0)
    expected = [time for steps, _ in episodes for time in [600, *[100] * (steps - 1), 1500]]
    assert durations(folder / "play.gif") == expected


def test_the_seed_is_that_of_sampling(finished: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.gif" for name in ("first", "again", "other")]
    for file, seed in zip(files, ("3", "3", "4"), strict=True):
        assert main(["play", str(finished / "train.csv"), "--episodes", "1", "--seed", seed, "--out", str(file)]) == 0
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other
    assert not (finished / "play.gif").exists()


def test_an_unfinished_run_plays_its_checkpoint(folder: Path, finished: Path, tmp_path: Path) -> None:
    (folder / "policy.pt").unlink()
    for source in (folder, finished):
        assert main(["play", str(source), "--episodes", "1", "--out", str(tmp_path / f"{source.name}.gif")]) == 0
    assert (tmp_path / f"{folder.name}.gif").read_bytes() == (tmp_path / f"{finished.name}.gif").read_bytes()


def test_long_play_is_thinned_but_shows_its_ends(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("rewardlab.commands.play._MOST_FRAMES", 10)
    assert main(["play", str(folder), "--episodes", "1", "--seed", "1"]) == 0
    ((steps, _),) = steps_and_returns(capsys.readouterr().out)
    assert steps > 20
    times = durations(folder / "play.gif")
    assert 5 < len(times) <= 12 and (times[0], times[-1]) == (600, 1500)


def test_a_film_is_no_larger_than_reports_show(folder: Path, monkeypatch, capsys) -> None:
    most = 40_000
    monkeypatch.setattr("rewardlab.commands.play._MOST_BYTES", most)
    assert main(["play", str(folder), "--episodes", "2", "--out", str(folder / "whole.gif")]) == 0
    assert main(["play", str(folder), "--episodes", "2"]) == 0
    every = int(re.findall(r"^one picture in (\d+) is kept", capsys.readouterr().out, re.MULTILINE)[0])
    assert (folder / "whole.gif").stat().st_size > most >= (folder / "play.gif").stat().st_size > most / 3
    whole, kept = durations(folder / "whole.gif"), durations(folder / "play.gif")
    first = 1 + whole.index(1500)
    assert kept == [time for film in (whole[:first], whole[first:]) for time in (*film[:-1:every], film[-1])]


def test_play_that_never_ends_is_cut_short(folder: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("rewardlab.commands.play._MOST_STEPS", 3)
    assert main(["play", str(folder), "--episodes", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "episode 1: return 0 in 3 steps, cut short"
    assert durations(folder / "play.gif") == [600, 100, 100, 1500]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MiniGrid-Empty-5x5-v0"])
def test_environments_stepped_one_by_one(env_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pygame")
    kind = ["env=gym"] if env_id == "CartPole-v1" else ["env=minigrid", "env.backend=reference"]
    overrides = [*kind, f"env.id={env_id}", "agent=random", "frames=64", "num_envs=2", "eval.episodes=1"]
    prepared = compose([*overrides, "eval.every=64", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    assert main(["play", str(prepared.folder), "--episodes", "1"]) == 0
    assert len(durations(prepared.folder / "play.gif")) > 5


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a refusal."""
    capsys.readouterr()
    assert main(["play", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_bad_input_is_one_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such run" in refused([str(tmp_path / "nothing")], capsys)
    assert "not the folder of a run" in refused([str(tmp_path)], capsys)
    assert "--episodes 0" in refused([str(folder), "--episodes", "0"], capsys)
    assert "--seed -1" in refused([str(folder), "--seed", "-1"], capsys)
    assert "must end in .gif" in refused([str(folder), "--out", "play.mp4"], capsys)
    assert "its folder is not there" in refused([str(folder), "--out", str(tmp_path / "no" / "x.gif")], capsys)
    (folder / "policy.pt").write_bytes(b"no policy")
    assert "policy.pt cannot be read" in refused([str(folder)], capsys)
    (folder / "policy.pt").unlink()
    (folder / "checkpoint.pt").unlink()
    assert "no policy yet" in refused([str(folder)], capsys)
    (folder / "config.yaml").write_text("env: 1\n")
    assert "not the config.yaml of a run" in refused([str(folder)], capsys)
    assert not (folder / "play.gif").exists()


def test_another_run_s_policy_does_not_fit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(re.sub(r"(?m)^  network: mlp$", "  network: cnn", text))
    assert "does not fit the run's config.yaml" in refused([str(folder)], capsys)


def test_a_world_without_pictures_is_refused(tmp_path: Path, monkeypatch, capsys) -> None:
    from rewardlab.envs import registry

    overrides = ["env=gym", "env.id=CartPole-v1", "agent=random", "frames=64", "num_envs=2", "eval.episodes=1"]
    prepared = compose([*overrides, "eval.every=64", f"results_dir={tmp_path}"])
    assert run(prepared) == 0
    build = registry.build

    def without_pictures(env_id: str, **options):
        world = build(env_id, **options)
        world.metadata = {"render_modes": []}
        return world

    monkeypatch.setattr(registry, "build", without_pictures)
    assert "env.id=CartPole-v1: cannot be drawn" in refused([str(prepared.folder)], capsys)
