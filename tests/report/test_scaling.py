"""Studies whose optimum nobody knows, scales and thresholds of the reader's own, and runs that still go."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import make, write_run

from rewardlab.cli import main
from rewardlab.errors import UserError
from rewardlab.report.scaling import scaling

UNKNOWN = {"random_return": None, "optimal_return": None, "optimum_kind": "unavailable", "success": None}

pytestmark = pytest.mark.usefixtures("without_figures")


def rows(folder, name="sample_efficiency"):
    with (folder / f"report/{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def page_data(folder):
    page = (folder / "report/report.html").read_text()
    return json.loads(page.split('id="data">')[1].split("</script>")[0])


def unscaled(folder, seeds=5, env="CartPole-v1", **schemes):
    for reward, returns in (schemes or {"none": (20, 60, 90, 120), "rnd": (20, 200, 400, 450)}).items():
        for seed in range(seeds):
            moved = [value + seed for value in returns]
            write_run(folder, env=env, reward=reward, seed=seed, returns=moved, success=False, task=UNKNOWN)


class TestWithoutOptimum:
    def test_schemes_are_ranked_by_their_returns(self, tmp_path):
        unscaled(tmp_path)
        result = make(tmp_path)
        assert result.text.startswith("rnd is ahead by mean return (clear, with 5 seeds)")
        first, second = rows(tmp_path)
        assert (first["reward"], second["reward"]) == ("rnd", "none")
        curve = np.array([20, 200, 400, 450]) + 2  # the middle seed; frames are 0, 10k, 20k, 30k
        assert float(first["auc_return_iqm"]) == pytest.approx(np.trapezoid(curve) / 3)
        low, high = float(first["auc_return_iqm_low"]), float(first["auc_return_iqm_high"])
        assert low < float(first["auc_return_iqm"]) < high
        page = (tmp_path / "report/report.html").read_text()
        assert "CartPole-v1: mean height of the learning curve, in returns" in page
        assert "--scale CartPole-v1=RANDOM:OPTIMAL" in page

    def test_an_area_in_returns_goes_over_the_frames_that_all_runs_have(self, tmp_path):
        write_run(tmp_path, reward="a", returns=[-9, -5, -1], frames=[10, 20, 30], success=False, task=UNKNOWN)
        write_run(tmp_path, reward="b", returns=[-9, -5], frames=[0, 20], success=False, task=UNKNOWN)
        make(tmp_path)
        areas = {row["reward"]: float(row["auc_return_iqm"]) for row in rows(tmp_path)}
        assert areas == {"a": pytest.approx(-7), "b": pytest.approx(-6)}  # from 10 to 20

    def test_columns_without_a_number_are_not_shown(self, tmp_path):
        unscaled(tmp_path)
        text = make(tmp_path).text
        assert "return area" in text
        assert "frames to" not in text
        assert {"frames_to_50", "auc_iqm"} <= set(rows(tmp_path)[0])

    def test_known_optima_have_no_area_in_returns(self, tmp_path):
        write_run(tmp_path)
        assert "return area" not in make(tmp_path).text
        assert rows(tmp_path)[0]["auc_return_iqm"] == ""

    def test_the_headline_says_why_there_is_no_ranking(self, tmp_path):
        unscaled(tmp_path, env="A-v1")
        unscaled(tmp_path, env="B-v1")
        text = make(tmp_path).text
        assert text.startswith("No ranking over environments: the optimum is not known")
        page = (tmp_path / "report/report.html").read_text()
        assert "A-v1: rnd is ahead by mean return (clear, with 5 seeds)." in page

    def test_what_no_scheme_shares_is_another_reason(self, tmp_path):
        write_run(tmp_path, env="a", reward="none")
        write_run(tmp_path, env="b", reward="rnd")
        assert make(tmp_path).text.startswith("No ranking over environments: no environment that every scheme finished")


class TestScale:
    def test_a_given_scale_is_as_good_as_a_known_one(self, tmp_path):
        unscaled(tmp_path)
        text = make(tmp_path, scales=("CartPole-v1=20:500",)).text
        assert text.startswith("rnd is ahead by area")
        assert "normalised between 20 (random) and 500 (optimal), as --scale says" in text
        row = rows(tmp_path)[0]
        assert float(row["late_normalised_iqm"]) == pytest.approx((452 - 20) / 480)
        assert (row["n_reached_50"], row["frames_to_50"]) == ("5", "20000.0")
        assert rows(tmp_path, "runs")[0]["optimal_return"] == "500.0"

    def test_thresholds_of_the_readers_own(self, tmp_path):
        unscaled(tmp_path)
        text = make(tmp_path, scales=("CartPole-v1=20:500",), thresholds="0.75,0.375").text
        assert "frames to 37.5 %" in text
        assert "frames to 75 %" in text
        row = rows(tmp_path)[0]
        assert [name for name in row if name.startswith("n_reached")] == ["n_reached_37.5", "n_reached_75"]
        assert row["frames_to_37.5"] == row["frames_to_75"] == "20000.0" or row["frames_to_37.5"] == "10000.0"
        page = (tmp_path / "report/report.html").read_text()
        assert "Fewest frames to 75 % of the optimum" in page
        assert "90 % of the optimum" not in page

    def test_load_takes_them_too(self, tmp_path):
        import rewardlab

        unscaled(tmp_path, seeds=2)
        tables = rewardlab.load(tmp_path, scale="CartPole-v1=20:500", thresholds="0.5").tables
        assert tables["sample_efficiency"]["frames_to_50"].notna().any()

    @pytest.mark.parametrize(
        ("flags", "line"),
        [
            (["--scale", "CartPole=20:500"], "did you mean CartPole-v1?"),
            (["--scale", "CartPole-v1=500:20"], "the optimal return must be above the random one"),
            (["--scale", "CartPole-v1=20:20"], "the optimal return must be above the random one"),
            (["--scale", "CartPole-v1=20"], "write ENV=RANDOM:OPTIMAL"),
            (["--scale", "CartPole-v1=nan:1"], "write ENV=RANDOM:OPTIMAL"),
            (["--scale", "=0:1"], "write ENV=RANDOM:OPTIMAL"),
            (["--scale", "CartPole-v1=0:1", "--scale", "CartPole-v1=0:2"], "has another scale already"),
            (["--thresholds", "0.5,x"], "write shares of the optimum"),
            (["--thresholds", "0.5,475"], "up to 1 (the optimum)"),
            (["--thresholds", "0"], "above 0 (a random policy)"),
            (["--thresholds", "nan"], "above 0"),
        ],
    )
    def test_bad_ones_are_one_line(self, tmp_path, capsys, flags, line):
        unscaled(tmp_path, seeds=1)
        assert main(["report", str(tmp_path), *flags]) == 2
        told = capsys.readouterr().err
        assert line in told
        assert told.count("\n") == 1

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_any_text_is_read_or_refused(self, scale, thresholds):
        for given_ in ({"scales": [scale]}, {"scales": [], "thresholds": thresholds}):
            try:
                found = scaling(**given_)
            except UserError:
                continue
            assert all(low < high for low, high in found.scales.values())
            values = list(found.thresholds.values())
            assert values == sorted(values) and all(0 < value <= 1 for value in values)


class TestStillRunning:
    def test_their_curves_are_marked_and_in_no_table(self, tmp_path):
        for reward, high in (("none", 0.5), ("rnd", 0.9)):
            for seed in range(5):
                write_run(tmp_path, reward=reward, seed=seed, returns=[0, high / 2, high, high])
        without = make(tmp_path)
        tables = ("sample_efficiency", "aggregate", "differences", "curves", "aggregate_curves")
        before = {name: [{**row, "n_missing": ""} for row in rows(tmp_path, name)] for name in tables}
        # It would be ahead of all, were it counted.
        write_run(tmp_path, reward="none", seed=5, returns=[0, 1.0], state="running", budget=30_000)
        write_run(tmp_path, reward="none", seed=6, returns=[0, 0.8, 0.9], state="running", budget=30_000)
        result = make(tmp_path)
        assert before == {name: [{**row, "n_missing": ""} for row in rows(tmp_path, name)] for name in tables}
        assert result.text.splitlines()[0] == without.text.splitlines()[0]
        (env,) = page_data(tmp_path)["envs"]
        going = [curve for curve in env["curves"] if curve.get("going") and curve["metric"] == "normalised"]
        assert [curve["name"] for curve in going] == ["none – still running, 2 seeds, to frame 10k"]
        assert env["grids"][going[0]["grid"]] == [0, 10_000]
        assert going[0]["y"] == [0, 0.9]
        assert not any(curve.get("going") for curve in env["curves"] if curve["name"] in ("none", "rnd"))
        assert any("2 runs still going" in line and "in no table" in line for line in result.warnings)
        assert "2 runs still running, the furthest to frame 20k of 30k" in (tmp_path / "report/report.html").read_text()

    def test_alone_they_are_shown_too(self, tmp_path):
        write_run(tmp_path, returns=[0, 0.4], state="running", budget=30_000)
        assert make(tmp_path).text.startswith("No finished run yet")
        (env,) = page_data(tmp_path)["envs"]
        assert {curve["name"] for curve in env["curves"]} == {"rnd – still running, to frame 10k"}
        page = (tmp_path / "report/report.html").read_text()
        assert "1 run still running, to frame 10k of 30k" in page
        assert rows(tmp_path) == rows(tmp_path, "curves") == []
