"""The whole report, from folders to files."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from run_folders import make, write_run
from scipy import stats

from rewardlab.cli import main
from rewardlab.errors import UserError

ROOT = Path(__file__).parents[2]


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_writes_every_file_of_the_design(result):
    names = {path.relative_to(result.out).as_posix() for path in result.files}
    assert {f"{stem}.{end}" for stem in ("sample_efficiency", "aggregate") for end in ("csv", "md", "tex")} <= names
    assert {"curves.csv", "report.html"} <= names
    figures = ("learning_curves_doorkey_5x5", "learning_curves_doorkey_8x8", "performance_profile", "sample_efficiency")
    assert {f"figures/{stem}.{end}" for stem in figures for end in ("png", "svg", "pdf")} <= names
    assert all(path.stat().st_size > 100 for path in result.files)
    assert "doorkey_8x8" in result.text
    assert str(result.out) in result.text


def test_the_same_runs_give_the_same_bytes(results, result, tmp_path):
    again = make(results, out=tmp_path / "again")
    for first, second in zip(result.files, again.files, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_sample_efficiency_columns_and_numbers(results, result):
    rows = rows_of(result.out / "sample_efficiency.csv")
    assert len(rows) == 8
    labels = ["env", "reward", "agent", "curriculum", "setting_id", "assumes", "n_seeds"]
    assert list(rows[0])[:7] == labels
    for column in ("frames_to_50", "frames_to_90", "cpu_seconds_to_50", "cpu_seconds_to_90"):
        assert {column, f"{column}_low", f"{column}_high", f"{column}_censored"} <= set(rows[0])
    for column in ("auc_iqm", "late_success_iqm", "late_return_iqm", "late_normalised_iqm"):
        assert {column, f"{column}_low", f"{column}_high"} <= set(rows[0])
    row = next(row for row in rows if (row["env"], row["reward"]) == ("doorkey_8x8", "rnd"))
    tables = [rows_of(path) for path in sorted(results.glob("runs/doorkey_8x8/rnd/*/*/eval.csv"))]
    late = [np.mean([float(line["return_mean"]) for line in table[-2:]]) for table in tables]  # a tenth of 21
    assert float(row["late_return_iqm"]) == pytest.approx(stats.trim_mean(late, 0.25))
    reached = []
    for table in tables:
        high = [float(line["return_mean"]) >= 0.5 for line in table]
        reached.append(next(int(table[i]["frames"]) for i in range(len(high) - 1) if high[i] and high[i + 1]))
    assert float(row["frames_to_50"]) == np.median(reached)
    assert float(row["cpu_seconds_to_50"]) == np.median(reached) / 1000
    assert row["frames_to_50_censored"] == "false"


def test_curves_are_interquartile_means(results, result):
    rows = [r for r in rows_of(result.out / "curves.csv") if (r["env"], r["reward"]) == ("doorkey_5x5", "count")]
    tables = [rows_of(path) for path in sorted(results.glob("runs/doorkey_5x5/count/*/*/eval.csv"))]
    values = np.array([[float(line["return_mean"]) for line in table] for table in tables])
    np.testing.assert_allclose([float(row["iqm"]) for row in rows], stats.trim_mean(values, 0.25, axis=0))
    assert {row["n_seeds"] for row in rows} == {"5"}


def test_aggregate_compares_with_the_baseline(result):
    rows = {row["reward"]: row for row in rows_of(result.out / "aggregate.csv")}
    assert rows["none"]["probability_of_improvement"] == ""
    assert rows["rnd"]["baseline"] == "none"
    assert 0.5 < float(rows["rnd"]["probability_of_improvement"]) <= 1
    assert rows["rnd"]["n_envs"] == "2"
    assert rows["rnd"]["n_runs"] == "10"


def test_no_cell_says_nan(result):
    for path in result.files:
        if path.suffix in (".csv", ".md", ".tex"):
            assert not re.search(r"\b(nan|None|inf)\b", path.read_text()), path.name


@pytest.mark.usefixtures("without_figures")
class TestStates:
    def test_only_ended_runs_count_and_the_others_are_named(self, tmp_path):
        for seed in range(2):
            write_run(tmp_path, seed=seed)
        for seed, state in enumerate(("running", "failed", "interrupted"), start=2):
            write_run(tmp_path, seed=seed, state=state, status={"error": f"it is {state}"})
        result = make(tmp_path)
        (row,) = rows_of(tmp_path / "report/sample_efficiency.csv")
        assert (row["n_seeds"], row["n_missing"]) == ("2", "3")
        page = (tmp_path / "report/report.html").read_text()
        for state in ("running", "failed", "interrupted"):
            assert f"it is {state}" in page
        assert any("still going" in warning for warning in result.warnings)

    def test_a_diverged_run_is_carried_forward_and_never_reaches(self, tmp_path):
        write_run(tmp_path, state="diverged", returns=[0.0, 0.95, 0.95], frames=[0, 10, 20], budget=40)
        make(tmp_path)
        (row,) = rows_of(tmp_path / "report/sample_efficiency.csv")
        assert (row["n_reached_90"], row["frames_to_90"], row["frames_to_90_censored"]) == ("0", "", "true")
        assert row["n_diverged"] == "1"
        assert float(row["auc_iqm"]) == pytest.approx((10 * 0.475 + 30 * 0.95) / 40)
        assert rows_of(tmp_path / "report/curves.csv")[-1]["frames"] == "40"

    def test_half_censored_cells_are_empty(self, tmp_path):
        for seed in range(5):
            write_run(tmp_path, seed=seed, returns=[0, 0.95, 0.95] if seed < 2 else [0, 0.1, 0.1])
        make(tmp_path)
        (row,) = rows_of(tmp_path / "report/sample_efficiency.csv")
        assert (row["n_reached_90"], row["frames_to_90"], row["frames_to_90_high"]) == ("2", "", "")
        assert row["frames_to_90_censored"] == "true"
        assert "not reached (2/5)" in (tmp_path / "report/sample_efficiency.md").read_text()

    def test_nothing_finished_yet_is_still_a_report(self, tmp_path):
        write_run(tmp_path, state="running", returns=[0.1], budget=1000)
        assert "No finished run yet" in make(tmp_path).text
        assert rows_of(tmp_path / "report/sample_efficiency.csv") == []


@pytest.mark.usefixtures("without_figures")
class TestKeys:
    def test_settings_that_share_labels_stay_apart(self, tmp_path):
        for seed in range(2):
            write_run(tmp_path, seed=seed, setting_id="a" * 64, config={"num_envs": 8}, folder=f"a{seed}")
            write_run(tmp_path, seed=seed, setting_id="b" * 64, config={"num_envs": 16}, folder=f"b{seed}")
        text = make(tmp_path).text
        assert len(rows_of(tmp_path / "report/sample_efficiency.csv")) == 2
        for part in ("#aaaaaaaa", "#bbbbbbbb", "num_envs=8", "num_envs=16"):
            assert part in text

    def test_unequal_assumptions_are_marked_and_ranked_apart(self, tmp_path):
        for seed in range(5):
            write_run(tmp_path, seed=seed, reward="none", returns=[0.0, 0.3, 0.5])
            write_run(tmp_path, seed=seed, reward="rnd", returns=[0.0, 0.5, 0.6])
            write_run(tmp_path, seed=seed, reward="oracle", returns=[0.9, 0.9, 0.9], assumes=["privileged"])
        result = make(tmp_path)
        assert result.text.startswith("rnd is ahead by area (clear, with 5 seeds)")
        assert any("oracle (privileged)" in warning for warning in result.warnings)
        assert "oracle †" in (tmp_path / "report/sample_efficiency.md").read_text()
        rewards = [row["reward"] for row in rows_of(tmp_path / "report/aggregate.csv")]
        assert rewards == ["rnd", "none", "oracle"]

    def test_what_learned_offline_is_neither_ranked_nor_compared_with_what_played(self, tmp_path):
        for seed in range(3):
            write_run(tmp_path, seed=seed, reward="none", returns=[0.0, 0.3, 0.5])
            write_run(tmp_path, seed=seed, reward="rnd", returns=[0.0, 0.5, 0.6])
            write_run(tmp_path, seed=seed, reward="otr", agent="iql", returns=[0.9] * 3, assumes=["demos", "offline"])
        result = make(tmp_path)
        assert result.text.startswith("rnd") and any("(demos, offline)" in warning for warning in result.warnings)
        assert [row["reward"] for row in rows_of(tmp_path / "report/differences.csv") if row["env"]] == ["rnd"]
        rows = [row["reward"] for row in rows_of(tmp_path / "report/sample_efficiency.csv")]
        assert rows == ["rnd", "none", "otr"]

    def test_aggregate_is_over_shared_environments_only(self, tmp_path):
        for reward, env in (("none", "a"), ("rnd", "a"), ("rnd", "b")):
            write_run(tmp_path, reward=reward, env=env)
        result = make(tmp_path)
        assert {row["n_envs"] for row in rows_of(tmp_path / "report/aggregate.csv")} == {"1"}
        assert any("b (no finished run of none)" in warning for warning in result.warnings)

    def test_a_task_without_optimum_keeps_its_returns(self, tmp_path):
        task = {"random_return": None, "optimal_return": None, "optimum_kind": "unavailable", "success": None}
        write_run(tmp_path, returns=[-200, -150, -100], success=False, task=task)
        make(tmp_path)
        (row,) = rows_of(tmp_path / "report/sample_efficiency.csv")
        assert row["late_return_iqm"] == "-100.0"
        for column in ("frames_to_50", "frames_to_50_censored", "n_reached_50", "auc_iqm", "late_success_iqm"):
            assert row[column] == ""

    def test_the_page_opens_on_what_every_environment_has(self, tmp_path):
        """Of normalised returns and successes, a game in the mix would be an empty chart."""
        game = {"random_return": 0.0, "optimal_return": None, "optimum_kind": "unavailable", "success": None}
        write_run(tmp_path / "grids", env="doorkey_8x8")
        write_run(tmp_path / "games", env="freeway", returns=[0, 10, 20], success=False, task=game)
        shown = {}
        for name, folders in {"grids": ["grids"], "mix": ["grids", "games"]}.items():
            make(*(tmp_path / folder for folder in folders), out=tmp_path / name)
            page = (tmp_path / name / "report.html").read_text()
            shown[name] = [key for key, _ in json.loads(page.split('id="data">')[1].split("</script>")[0])["metrics"]]
        assert shown == {"grids": ["normalised", "return", "success"], "mix": ["return", "normalised", "success"]}

    @pytest.mark.parametrize("seeds", [2, 5])
    def test_the_answer_says_by_what_and_is_never_clear_with_few_seeds(self, tmp_path, seeds):
        """`early` has the larger area, `late` needs fewer frames to 90 %."""
        for seed in range(seeds):
            write_run(tmp_path, seed=seed, reward="early", returns=[0.0, 0.8, 0.8, 0.8, 0.95, 0.95])
            write_run(tmp_path, seed=seed, reward="late", returns=[0.0, 0.0, 0.0, 0.95, 0.95, 0.95])
        result = make(tmp_path)
        page = (tmp_path / "report/report.html").read_text()
        answer = "early is probably ahead by area" if seeds < 5 else "early is ahead by area (clear"
        assert result.text.startswith(answer)
        assert "Fewest frames to 90 % of the optimum, by the median: late (30k)." in page
        assert "ahead of late, the next, by area" in page
        assert ("clear" in result.text.splitlines()[0]) == (seeds >= 5)
        assert "clearly" not in page[: page.index("<script")]

    @pytest.mark.parametrize(("leading", "alone"), [(2, "late"), (1, "early and late")])
    def test_one_seed_is_said_of_whom_it_is(self, tmp_path, leading, alone):
        for seed in range(leading):
            write_run(tmp_path, seed=seed, reward="early", returns=[0.0, 0.8, 0.8])
        write_run(tmp_path, reward="late", returns=[0.0, 0.0, 0.8])
        assert make(tmp_path).text.startswith(f"early is ahead by area, with one seed of {alone} (one seed only)")

    def test_folders_are_never_clearly_apart_with_few_seeds(self, tmp_path):
        for seed in range(4):
            write_run(tmp_path / "old", seed=seed, returns=[0.0, 0.1, 0.1])
            write_run(tmp_path / "new", seed=seed, returns=[0.0, 0.9, 0.9])
        result = make(tmp_path / "old", tmp_path / "new", out=tmp_path / "out")
        assert result.text.startswith("new is ahead of old (likely, with 4 seeds)")

    def test_what_only_longer_runs_learned_is_not_called_nothing(self, tmp_path):
        write_run(tmp_path, reward="none", returns=[0.0, 0.0])
        write_run(tmp_path, returns=[0.0, 0.0, 0.9, 0.95])
        assert make(tmp_path).text.startswith("Nothing learned within the frames that all runs have (unequal budgets)")
        page = (tmp_path / "report/report.html").read_text()
        assert "nothing learned within the frames that all runs have" in page
        assert "nothing learned yet" not in page

    def test_several_folders_are_compared(self, tmp_path):
        for name in ("before", "after"):
            write_run(tmp_path / name)
        make(tmp_path / "before", tmp_path / "after", out=tmp_path / "out")
        assert {row["folder"] for row in rows_of(tmp_path / "out/sample_efficiency.csv")} == {"before", "after"}


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize(
    ("first", "second", "warning"),
    [
        ({}, {"seed": 1, "packages": {"numpy": "2.4.6", "torch": "2.12.0"}}, "torch 2.12.0 / 2.13.0"),
        ({}, {"seed": 1, "backend": "fast"}, "2 environment backends"),
        ({}, {"seed": 1, "resume": "approximate"}, "continued under other versions"),
        ({}, {"reward": "none", "budget": 60_000}, "Unequal budgets"),
        ({}, {"reward": "none", "seed": 7}, "Unequal seeds"),
        ({}, {"seed": 1}, "Fewer than 5 seeds"),
    ],
)
def test_warnings(tmp_path, first, second, warning):
    write_run(tmp_path, **first)
    write_run(tmp_path, **second)
    assert any(warning in each for each in make(tmp_path).warnings)


class TestBadInput:
    def test_empty_folder(self, tmp_path, capsys):
        assert main(["report", str(tmp_path)]) == 2
        assert "no runs found" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_missing_folder_and_file(self, tmp_path):
        with pytest.raises(UserError, match="no such folder"):
            make(tmp_path / "absent")
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="not a folder"):
            make(tmp_path / "file")

    def test_out_that_cannot_be_written(self, tmp_path):
        write_run(tmp_path)
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot be written"):
            make(tmp_path, out=tmp_path / "file")

    def test_the_script_says_the_same(self, tmp_path):
        command = [sys.executable, str(ROOT / "scripts" / "report.py"), str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(str(tmp_path))


def test_the_report_needs_no_torch():
    code = "import sys, rewardlab.report.writing; assert not {'torch', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_figures_of_many_schemes_show_the_first_dozen(tmp_path, recwarn):
    for place in range(20):
        write_run(tmp_path, reward=f"scheme_{place:02d}", returns=(0.0, place / 20, place / 20, place / 20))
    result = make(tmp_path)
    drawn = (result.out / "figures" / "learning_curves_doorkey_5x5.svg").read_text()
    assert "the first 12 of 20" in drawn
    assert not [warning for warning in recwarn if "layout" in str(warning.message)]
