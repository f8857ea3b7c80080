"""What is missing, twice there or paired is called what it is; long lists stand behind a count."""

import csv
import shutil

import pytest
from run_folders import make, write_run

from rewardlab.cli import main

pytestmark = pytest.mark.usefixtures("without_figures")


class TestDuplicates:
    def test_the_run_that_ended_is_used_wherever_it_stands(self, tmp_path):
        write_run(tmp_path, folder="a", state="failed", returns=[0, 0.1, 0.1, 0.1, 0.1])
        write_run(tmp_path, folder="b", returns=[0, 0.9, 0.9])
        result = make(tmp_path)
        with (tmp_path / "report/runs.csv").open(newline="") as file:
            assert [row["run"] for row in csv.DictReader(file)] == ["runs/b"]
        (told,) = [line for line in result.warnings if "duplicate" in line]
        assert told.startswith("1 run is a duplicate")
        page = (tmp_path / "report/report.html").read_text()
        assert "the same setting and seed as runs/b, which is used: it is finished, this one failed" in page
        assert "1 duplicate" in page
        assert not any("could not be read" in line for line in result.warnings)

    def test_the_longer_one_is_used(self, tmp_path):
        write_run(tmp_path, folder="a", state="interrupted", returns=[0, 0.1])
        write_run(tmp_path, folder="b", state="running", returns=[0, 0.1, 0.2])
        make(tmp_path)
        assert "runs/b, which is used: it has 20,000 frames, this one 10,000" in (
            tmp_path / "report/report.html"
        ).read_text().replace("\\u003e", ">")

    def test_of_two_copies_it_is_the_first(self, tmp_path):
        run = write_run(tmp_path, folder="a")
        shutil.copytree(run, run.parent / "b")
        make(tmp_path)
        page = (tmp_path / "report/report.html").read_text()
        assert "runs/a, which is used: both are equally long, and it comes first by name" in page


class TestPaired:
    def study(self, folder):
        for seed in range(5):
            write_run(folder, reward="none", seed=seed, returns=[0, 0.5, 0.5 + seed / 10])
            write_run(folder, reward="rnd", seed=seed + 1, returns=[0, 0.6, 0.6])
        return str(folder)

    def test_the_console_shows_it(self, tmp_path, capsys):
        assert main(["report", self.study(tmp_path)]) == 0
        plain = capsys.readouterr().out
        assert main(["report", str(tmp_path), "--paired"]) == 0
        paired = capsys.readouterr().out
        assert "Differences" not in plain
        assert "Differences from the baseline, paired: only seeds that both have, redrawn together" in paired
        assert "4 pairs" in paired  # seeds 1 to 4

    def test_a_baseline_shows_it_too(self, tmp_path, capsys):
        assert main(["report", self.study(tmp_path), "--baseline", "rnd"]) == 0
        told = capsys.readouterr().out
        assert "Differences from the baseline\n" in told
        assert "5 / 5" in told

    def test_nothing_to_pair_is_said(self, tmp_path, capsys):
        write_run(tmp_path, reward="none", seed=0)
        write_run(tmp_path, reward="rnd", seed=1)
        assert main(["report", str(tmp_path), "--paired"]) == 0
        assert (
            "No differences: no scheme shares an environment and a seed with its baseline." in capsys.readouterr().out
        )


def test_long_lists_collapse_to_a_count(tmp_path):
    for place in range(12):
        write_run(tmp_path, reward="none", seed=place)
        write_run(tmp_path, reward=f"scheme_{place:02d}", seed=place)
        write_run(tmp_path, reward="rnd", seed=place, state="failed")
    result = make(tmp_path)
    assert max(map(len, result.warnings)) < 250
    (seeds,) = [line for line in result.warnings if line.startswith("Unequal seeds")]
    assert seeds == ("Unequal seeds on doorkey_5x5: 12 of 13 settings lack some (see the grid of runs in report.html).")
    (failed,) = [line for line in result.warnings if "failed" in line]
    assert failed == "12 runs failed and missing from the statistics (see runs.csv)."
    page = (tmp_path / "report/report.html").read_text()
    listed = page[page.index("12 of 13 settings lack some") :]
    listed = listed[: listed.index("</details>")]
    assert "<summary>12 listed</summary>" in listed
    assert all(f"scheme_{place:02d} lacks" in listed for place in range(12))


def test_short_lists_stay_in_their_sentence(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, state="failed", folder="x")
    assert "1 run failed and missing from the statistics: runs/x." in make(tmp_path).warnings
