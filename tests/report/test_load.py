"""`rewardlab.load`: results as DataFrames, from folders that anybody may have written to."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folders import bonus_that_fades, make, write_run

import rewardlab
from rewardlab.errors import UserError
from rewardlab.report.tables.text import to_csv

PAGE = Path(__file__).parents[2] / "docs" / "loading.md"


@pytest.fixture(scope="module")
def loaded(results):
    return rewardlab.load(results)


def test_runs_are_one_row_each_with_their_config(loaded):
    runs = loaded.runs
    assert len(runs) == 40
    assert set(runs["state"]) == {"finished"}
    row = runs[(runs["env"] == "doorkey_8x8") & (runs["reward"] == "rnd") & (runs["seed"] == 3)].iloc[0]
    assert row["run"].startswith("runs/doorkey_8x8/rnd/ppo/seed3-")
    assert row["final_return"] == pytest.approx(0.95, abs=0.1)
    assert row["frames_to_50"] % 5000 == 0
    kinds = {"seed": "Int64", "budget": "Int64", "final_return": "float64", "env": "str", "setting": "str"}
    assert {name: str(runs[name].dtype) for name in kinds} == kinds


def test_evaluations_and_training_are_long_and_bear_the_keys(loaded):
    evaluations, training = loaded.evaluations, loaded.training
    assert len(evaluations) == 40 * 21
    assert evaluations.groupby("run").size().eq(21).all()
    last = evaluations.groupby("run")["return_mean"].last()
    pd.testing.assert_series_equal(last, loaded.runs.set_index("run")["final_return"].sort_index(), check_names=False)
    assert len(training) == 30 * 20  # the baseline has no table of training
    assert {"run", "setting", "seed", "frames", "reward/intrinsic_mean", "explore/states"} <= set(training)
    assert training["explore/states"].notna().sum() == 10 * 20
    assert str(training["frames"].dtype) == str(evaluations["frames"].dtype) == "Int64"


def test_the_report_writes_the_same(loaded, result):
    assert to_csv(loaded.runs) == (result.out / "runs.csv").read_text()
    assert to_csv(loaded.evaluations) == (result.out / "evaluations.csv").read_text()
    assert set(loaded.tables) == {"sample_efficiency", "aggregate", "differences", "curves", "aggregate_curves"}
    for name, table in loaded.tables.items():
        written = pd.read_csv(result.out / f"{name}.csv", keep_default_na=False, na_values=[""])
        assert [column for column in table if column not in ("method", "setting")] == list(written)
        assert len(table) == len(written)
        for column in table.select_dtypes("float64"):
            np.testing.assert_array_equal(table[column], written[column])


def test_a_naive_groupby_keeps_settings_apart(tmp_path):
    for place, rate in enumerate((0.1, 0.2, 0.4)):
        for seed in range(2):
            write_run(tmp_path, seed=seed, setting_id=str(place) * 64, folder=f"{place}/{seed}", returns=[0, rate],
                      config={"agent.lr": rate, "agent.clip": None if place else 0.2})  # fmt: skip
    results = rewardlab.load(tmp_path)
    assert set(results.runs["agent"]) == {f"ppo agent.lr={rate}" for rate in (0.1, 0.2, 0.4)}
    means = results.runs.groupby("setting")["final_return"].mean()
    assert sorted(means) == pytest.approx([0.1, 0.2, 0.4])
    assert all(f"agent.lr={rate}" in " ".join(means.index) for rate in (0.1, 0.2, 0.4))
    assert results.runs.groupby("agent.lr")["seed"].count().tolist() == [2, 2, 2]
    assert results.evaluations.groupby("setting")["return_mean"].max().tolist() == means.tolist()
    assert results.runs["agent.clip"].isna().sum() == 4
    assert results.evaluations.groupby("agent.lr")["return_mean"].max().tolist() == pytest.approx([0.1, 0.2, 0.4])


@pytest.mark.parametrize("draw", range(4))
def test_env_reward_and_agent_never_mix_settings(tmp_path, draw):
    """Whatever settings differ in: options, budget, evaluation, curriculum, or nothing that a config tells."""
    rng = np.random.default_rng(draw)
    training = {"frames": [1, 2], "loss/value": [0.5, 0.25]}
    for place in range(12):
        values = {
            "num_envs": 8 << int(rng.integers(2)),
            "eval.policy": ("sample", "greedy")[rng.integers(2)],
            "agent.lr": (0.1, "nan", None)[rng.integers(3)],
            "reward.long": "x" * 60 + "ab"[rng.integers(2)],
        }
        where = {
            "env": ("doorkey_5x5", "keycorridor")[rng.integers(2)],
            "reward": ("rnd", "count")[rng.integers(2)],
            "curriculum": ("none", "amigo")[rng.integers(2)],
            "agent": ("ppo", "ppo-lr=1")[rng.integers(2)],
        }
        for seed in range(2):
            config = values | {"device": f"cuda:{seed}", "only_here": place} if place == 3 else values
            write_run(tmp_path, setting_id=f"{place:x}" * 64, seed=seed, folder=f"{place}/{seed}", config=config,
                      budget=1000 << int(place % 3 == 0), training=training, **where)  # fmt: skip
    results = rewardlab.load(tmp_path)
    settings = results.runs.set_index("run")["setting_id"]
    for frame in (results.runs, results.evaluations, results.training):
        ids = frame["run"].map(settings)
        assert ids.groupby([frame["env"], frame["reward"], frame["agent"]]).nunique().eq(1).all()
        assert ids.nunique() == 12
        assert frame.groupby(["env", "reward", "agent"])["seed"].nunique().eq(2).all()
    for name in ("curves", "sample_efficiency"):
        table = results.tables[name]
        assert table.groupby(["env", "reward", "agent"])["setting_id"].nunique().eq(1).all()
    assert results.runs["agent"].str.startswith("ppo").all()


def test_an_agent_is_named_by_what_differs_and_no_longer(tmp_path):
    for number, config in enumerate(({"num_envs": 8}, {"num_envs": 64}, {"num_envs": 64, "eval.every": 5})):
        budget = 20_000 if number == 2 else 10_000
        write_run(tmp_path, setting_id=str(number) * 64, folder=str(number), config=config, budget=budget,
                  frames=[0, budget], returns=[0, 1])  # fmt: skip
    write_run(tmp_path, reward="none", config={"num_envs": 8})
    agents = rewardlab.load(tmp_path).runs.groupby("reward")["agent"].unique()
    assert list(agents["none"]) == ["ppo"]
    assert set(agents["rnd"]) == {
        "ppo frames=10000 num_envs=8", "ppo frames=10000 num_envs=64", "ppo frames=20000 num_envs=64"
    }  # fmt: skip


def test_what_an_option_is_called_hides_nothing_that_was_measured(tmp_path):
    for seed, value in enumerate((0.5, 0.25)):
        write_run(tmp_path, seed=seed, config={"return_mean": value, "agent.lr": value}, training={"frames": [1, 2]})
    results = rewardlab.load(tmp_path)
    assert results.evaluations["return_mean"].max() == 0.95
    assert results.evaluations.groupby("seed")["agent.lr"].unique().map(list).tolist() == [[0.5], [0.25]]
    assert results.training["agent.lr"].tolist() == [0.5, 0.5, 0.25, 0.25]


def test_a_config_never_hides_a_fact(tmp_path):
    write_run(tmp_path, config={"state": "fine", "setting_id": 5, "run": None, "count": 10**30, "mixed": [1, "a"]})
    (row,) = rewardlab.load(tmp_path).runs.to_dict("records")
    assert (row["state"], row["run"].split("/")[0]) == ("finished", "runs")
    assert row["mixed"] == '[1, "a"]'


def test_several_folders_and_filters(tmp_path):
    for name, height in (("before", 0.4), ("after", 0.8)):
        for seed in range(3):
            write_run(tmp_path / name, seed=seed, returns=[0, height, height])
    results = rewardlab.load(f"old={tmp_path / 'before'}", tmp_path / "after", filters=["seed<2"])
    one = rewardlab.load(f"old={tmp_path / 'before'}", tmp_path / "after", filters="seed<2")
    assert one.runs.equals(results.runs)
    assert results.runs.groupby("folder")["seed"].count().to_dict() == {"after": 2, "old": 2}
    assert results.tables["differences"]["late_return_difference"].tolist() == pytest.approx([0.4])


class TestForeignFolders:
    def test_what_is_damaged_is_named_and_left_out(self, tmp_path):
        training = bonus_that_fades("rnd", np.linspace(0, 1, 21))
        for seed in range(4):
            write_run(tmp_path, seed=seed, training=training, folder=f"seed{seed}")
        (tmp_path / "runs/seed1/eval.csv").write_text("frames,return_mean\n0,0.1\n30000,0.9")  # cut: 0.95 perhaps
        (tmp_path / "runs/seed2/train.csv").write_text("frames,loss/value\n1,2\n2,three\n")
        with (tmp_path / "runs/seed3/train.csv").open("a") as file:
            file.write("105000,0.1")  # a row that is being written is not there yet
        results = rewardlab.load(tmp_path)
        assert results.runs["seed"].tolist() == [0, 2, 3]
        assert results.training.groupby("seed").size().to_dict() == {0: 20, 3: 20}
        told = dict(zip(results.problems["run"], results.problems["reason"], strict=True))
        assert "cut off in its last line" in told["runs/seed1"]
        assert "not a number" in told["runs/seed2"]
        assert "2 problems" in repr(results)

    def test_links_out_of_the_folder_are_not_followed(self, tmp_path):
        outside = write_run(tmp_path / "outside", training={"frames": [1, 2]})
        run = write_run(tmp_path / "results", seed=1)
        (run / "train.csv").symlink_to(outside / "train.csv")
        results = rewardlab.load(tmp_path / "results")
        assert results.training.empty
        assert "link out of" in results.problems["reason"].iloc[0]

    def test_no_process_is_started(self, tmp_path, monkeypatch):
        """Those would run the main module of the caller's script again."""
        monkeypatch.setattr("rewardlab.report.reading.collection._WORTH_A_HELPER", 0)
        monkeypatch.setattr("rewardlab.report.helpers.ProcessPoolExecutor", None)
        write_run(tmp_path)
        assert len(rewardlab.load(tmp_path).runs) == 1

    def test_nothing_finished_has_the_same_columns(self, tmp_path, loaded):
        write_run(tmp_path, state="running", returns=[], budget=1000)
        results = rewardlab.load(tmp_path)
        assert list(results.evaluations) == list(loaded.evaluations)
        assert results.evaluations.empty and results.training.empty
        assert all(list(table) == list(loaded.tables[name]) for name, table in results.tables.items())

    @pytest.mark.parametrize(("what", "line"), [("absent", "no such folder"), ("", "no runs found")])
    def test_bad_input_is_one_line(self, tmp_path, what, line):
        with pytest.raises(UserError, match=line):
            rewardlab.load(tmp_path / what)


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, rewardlab; heavy = {'pandas', 'numpy', 'scipy', 'jinja2', 'matplotlib', 'plotly', 'torch'}\n"
        "assert not heavy & set(sys.modules)\n"
        "import rewardlab.cli, rewardlab.sweep\n"
        "import rewardlab.commands.status, rewardlab.commands.show, rewardlab.commands.report, rewardlab.report.build\n"
        "assert not heavy - {'numpy'} & set(sys.modules), heavy & set(sys.modules)\n"
        "import rewardlab.report.load\n"
        "assert not {'torch', 'scipy', 'jinja2', 'matplotlib', 'plotly'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_the_examples_of_the_page_run(results, tmp_path, monkeypatch):
    """The blocks of docs/loading.md, one after the other, on a study that is there as `results`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    (tmp_path / "results").symlink_to(results, target_is_directory=True)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert isinstance(names["means"], pd.DataFrame)


def test_the_report_copies_what_runs_wrote_only_where_it_reads_the_same(tmp_path, without_figures):
    """evaluations.csv takes the texts of cells; pandas' frame writes every number anew."""
    for seed, (old, new) in enumerate(
        [("", ""), ("0.1", "1e-07"), ("0.1", "-7"), ("0.1", ""), ("0.1", "inf"), ("0.1", " 0.1"), ("0.1", "1" * 17)]
    ):
        table = write_run(tmp_path, seed=seed, task={"random_return": 0.0, "optimal_return": 1.0 + seed}) / "eval.csv"
        table.write_text(table.read_text().replace(old, new, 2) if old else table.read_text())
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
    written = (make(tmp_path).out / "evaluations.csv").read_text()
    assert written == to_csv(rewardlab.load(tmp_path).evaluations)
    assert written.count("\n") == 1 + 7 * 4
