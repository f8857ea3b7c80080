"""Held-out mazes beside an evaluation: what is played and told, that runs go on exactly, and how reports show it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rewardlab import load
from rewardlab.cli import main
from rewardlab.config.composition import Prepared, compose
from rewardlab.errors import UserError
from rewardlab.gridworld import mazes
from rewardlab.gridworld.constants import FORWARD, LEFT, RIGHT
from rewardlab.gridworld.named_mazes import names
from rewardlab.records.table import read_columns
from rewardlab.report.build import build_report
from rewardlab.run import run
from rewardlab.training.build import build
from rewardlab.training.learning.on_policy import Learning
from rewardlab.training.suite import COLUMNS, Suite
from rewardlab.types import ActOutput

TINY = [
    "env=maze", "env.size=5", "env.walls=3", "num_envs=4", "agent.rollout_steps=32", "agent.hidden=[8]", "frames=512",
    "eval.every=256", "eval.episodes=4", "eval.suite=mazes", "eval.suite_episodes=2",
]  # fmt: skip


def prepare(folder: Path, *overrides: str) -> Prepared:
    return compose([*TINY, *overrides, f"results_dir={folder}"])


class _Solver:
    """Walks the shortest way of its own state, looked up in the environment; `lazy` environments only turn."""

    def __init__(self, env, lazy: int = -1) -> None:
        self._env, self._lazy = env, lazy

    def initial_state(self, num_envs: int) -> None:
        return None

    def act(self, obs, state, first, mode, rng) -> ActOutput:
        now = mazes.from_state(self._env.take_places(np.arange(self._env.num_envs)))
        best, action = mazes.distances(now), np.full(len(now), FORWARD)
        for turn, by in ((LEFT, 3), (RIGHT, 1)):
            turned = mazes.Mazes(now.walls, now.start, (now.heading + by) % 4, now.goal)
            action[mazes.distances(turned) == best - 1] = turn
        if self._lazy >= 0:
            action[self._lazy] = LEFT
        return ActOutput(torch.from_numpy(action), torch.from_numpy(action[:, None]).float())


def test_each_environment_plays_one_episode_and_a_solver_has_no_regret(tmp_path: Path) -> None:
    config = prepare(tmp_path).config
    suite = Suite(config, build(config).env.spec)
    assert suite.columns[1:8] == tuple(f"Maze/{column}" for column in COLUMNS)
    steps = {"Maze": 54, "Maze2": 73, "Labyrinth": 113, "Labyrinth2": 113, "SixteenRooms": 26}
    held = suite._held[0]
    assert dict.fromkeys(held.names).keys() == set(names()) == steps.keys()
    rng = torch.Generator()
    returns, lengths, solved = suite._play(suite._envs[0], _Solver(held.env._env, lazy=1), rng, lambda: False)
    assert lengths[0] == 54 and lengths[1] == 250 and not solved[1] and returns[1] == 0
    told = [steps[name] for name in held.names]
    assert np.delete(lengths, 1).tolist() == np.delete(told, 1).tolist() and np.delete(solved, 1).all()
    np.testing.assert_allclose(np.delete(returns - held.optimal, 1), 0, atol=1e-6)
    suite.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    prepared = prepare(tmp_path_factory.mktemp("results"))
    assert run(prepared) == 0
    return prepared


def test_a_row_for_each_evaluation_and_the_rest_of_the_run_as_without(whole: Prepared, tmp_path: Path) -> None:
    rows = read_columns(whole.folder / "suite.csv")
    without = prepare(tmp_path, "eval.suite=none", "eval.suite_episodes=10")
    assert run(without) == 0 and not (without.folder / "suite.csv").exists()
    assert without.setting_id != whole.setting_id
    assert rows["frames"] == read_columns(whole.folder / "eval.csv")["frames"] == [0.0, 256.0, 512.0]
    for table in ("eval.csv", "train.csv"):
        a, b = (read_columns(each.folder / table) for each in (whole, without))
        assert all(
            a[name] == pytest.approx(b[name], nan_ok=True) for name in a if "seconds" not in name and name != "fps"
        )
    for name in (*names(), "Perfect11", "Perfect21"):
        regret = np.array(rows[f"{name}/optimal_return"]) - rows[f"{name}/return_mean"]
        np.testing.assert_allclose(rows[f"{name}/regret"], regret)
        assert rows[f"{name}/episodes"] == [2.0] * 3 and len(set(rows[f"{name}/walk"])) == 1
    assert rows["Labyrinth/walk"][0] == 96 and rows["Perfect21/length_mean"][0] <= 882


def test_an_interrupted_run_goes_on_exactly(whole: Prepared, tmp_path: Path, fault) -> None:
    broken = prepare(tmp_path, "checkpoint.every=128")
    with fault(Learning, "iterate", 4):
        assert run(broken) == 1
    with (broken.folder / "suite.csv").open("a") as table:
        table.write("300,1\n")  # after the checkpoint: cut off
    assert run(broken) == 0
    assert json.loads((broken.folder / "manifest.json").read_text())["resume"] == "exact"
    assert (broken.folder / "suite.csv").read_bytes() == (whole.folder / "suite.csv").read_bytes()


def test_conditioners_and_memories_play_it_too(tmp_path: Path) -> None:
    for number, options in enumerate((["curriculum=amigo"], ["agent.memory=gru", "agent.memory_size=8"])):
        prepared = prepare(tmp_path / str(number), *options, "frames=256", "eval.suite_episodes=1")
        assert run(prepared) == 0
        assert read_columns(prepared.folder / "suite.csv")["Maze/episodes"] == [1.0, 1.0]


def test_the_report_has_a_row_for_each_level_and_scheme(whole: Prepared, tmp_path: Path) -> None:
    results = tmp_path / "results"
    for seed in (0, 1):
        prepared = prepare(results, f"seed={seed}", "eval.suite_episodes=1")
        assert run(prepared) == 0
    table = load(results).tables["suite"].set_index("level")
    assert list(table.index) == [*names(), "Perfect11", "Perfect21"] and (table["n_seeds"] == 2).all()
    tables = sorted((results / "runs").glob("**/suite.csv"))
    late = [read_columns(path)["SixteenRooms/return_mean"][-1] for path in tables]
    assert table.loc["SixteenRooms", "return"] == pytest.approx(np.mean(late))
    assert table.loc["SixteenRooms", "optimum"] == pytest.approx(1 - 0.9 * 26 / 250)
    assert table.loc["Labyrinth", "regret"] == pytest.approx(0.5932 - table.loc["Labyrinth", "return"])
    assert table.loc["Labyrinth", "walk"] == 96
    made = build_report([("", results)])
    assert {"suite.csv", "suite.md", "suite.tex"} <= {path.name for path in made.files}
    assert "Held-out levels" in (made.out / "report.html").read_text()
    assert "| Labyrinth |" in (made.out / "suite.md").read_text()
    tables[0].write_text("frames,Maze/walk\n5,1\n3,1\n")
    assert "suite.csv: frames do not increase" in load(results).problems["reason"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["env=doorkey_5x5"], "env=doorkey_5x5 has none"),
        (["env=maze", "eval.suite=maze"], "did you mean mazes"),
        (["env=maze", "eval.suite=none", "eval.suite_episodes=3"], "set eval.suite=mazes"),
    ],
)
def test_other_suites_are_refused(options: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        build(compose(["eval.suite=mazes", *options, f"results_dir={tmp_path}"]).config)


def test_a_policy_plays_on_a_held_out_maze(whole: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", str(whole.folder), "--level", "SixteenRooms", "--episodes", "1"]) == 0
    gif = whole.folder / "play_SixteenRooms.gif"
    assert gif.read_bytes()[:6] == b"GIF89a" and str(gif) in capsys.readouterr().out
    assert main(["play", str(whole.folder), "--level", "SixteenRoom"]) != 0
    assert "did you mean SixteenRooms" in capsys.readouterr().err
    config = compose(["env=doorkey_5x5", f"results_dir={tmp_path}"]).config
    with pytest.raises(UserError, match="the run's environment has no levels by name"):
        config.env.on_level("Maze")
