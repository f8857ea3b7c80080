"""The options of a report, what it remembers, and what it clears away."""

import csv
import json
import os
import time

import pytest
from run_folders import make, write_run

from rewardlab.cli import main
from rewardlab.errors import UserError
from rewardlab.report.reading.collection import find_runs, read_found

pytestmark = pytest.mark.usefixtures("without_figures")


def aged(folder):
    """Files as they are some time after they were written: a file just written may change within its time stamp."""
    moment = time.time() - 60
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


@pytest.fixture
def study(tmp_path):
    for env in ("doorkey_5x5", "doorkey_8x8"):
        for reward in ("none", "rnd", "icm"):
            for seed in range(2):
                write_run(tmp_path, env=env, reward=reward, seed=seed, config={"agent.lr": 0.001 * (seed + 1)})
    return tmp_path


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class TestFilter:
    @pytest.mark.parametrize(
        ("filters", "kept"),
        [
            (["env=doorkey_5*"], {("doorkey_5x5", "none"), ("doorkey_5x5", "rnd"), ("doorkey_5x5", "icm")}),
            (["reward=rnd,icm", "env!=*8x8"], {("doorkey_5x5", "rnd"), ("doorkey_5x5", "icm")}),
            (["agent.lr<0.0015", "reward=rnd"], {("doorkey_5x5", "rnd"), ("doorkey_8x8", "rnd")}),
        ],
    )
    def test_keeps_what_matches(self, study, filters, kept):
        make(study, filters=tuple(filters))
        assert {(row["env"], row["reward"]) for row in rows(study / "report/sample_efficiency.csv")} == kept

    def test_numbers_are_compared(self, study):
        make(study, filters=("seed>=1",))
        assert {row["n_seeds"] for row in rows(study / "report/sample_efficiency.csv")} == {"1"}

    def test_a_scheme_keeps_its_colour(self, study):
        def colour():
            page = (study / "report/report.html").read_text()
            data = json.loads(page.split('id="data">')[1].split("</script>")[0])
            return {scheme["name"]: scheme["color"] for scheme in data["schemes"]}

        make(study)
        before = colour()
        make(study, filters=("reward!=icm",))
        assert colour()["rnd"] == before["rnd"]

    @pytest.mark.parametrize(
        ("argument", "line"),
        [
            ("reward", "write KEY=VALUE"),
            ("rewrad=rnd", "did you mean reward?"),
            ("seed<two", "two is not a number"),
            ("reward=ngu", "none of the 12 runs is left"),
        ],
    )
    def test_bad_ones_are_one_line(self, study, capsys, argument, line):
        assert main(["report", str(study), "--filter", argument]) == 2
        told = capsys.readouterr().err
        assert line in told
        assert told.count("\n") == 1


class TestOptions:
    def test_by_env_gives_the_tables_of_each(self, study):
        make(study, by="env")
        assert {row["env"] for row in rows(study / "report/by_env/doorkey_8x8/sample_efficiency.csv")} == {
            "doorkey_8x8"
        }
        assert {row["n_envs"] for row in rows(study / "report/by_env/doorkey_5x5/aggregate.csv")} == {"1"}
        assert (study / "report/by_env/doorkey_5x5/differences.tex").exists()

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["--by", "enf"], "did you mean env?"),
            (["--by", "folder"], "there is only one"),
            (["--baseline", "rdn"], "did you mean rnd?"),
        ],
    )
    def test_bad_ones_are_one_line(self, study, capsys, arguments, line):
        assert main(["report", str(study), *arguments]) == 2
        told = capsys.readouterr().err
        assert line in told
        assert told.count("\n") == 1

    def test_two_folders_of_one_label_are_refused(self, study):
        with pytest.raises(UserError, match="two folders are named a"):
            make(f"a={study}", f"a={study / 'runs'}")


class TestMemory:
    def test_an_unchanged_folder_is_not_reported_twice(self, study):
        aged(study)
        assert not make(study).again
        before = {path: path.stat().st_mtime_ns for path in (study / "report").rglob("*.*")}
        again = make(study)
        assert again.again
        assert {path: path.stat().st_mtime_ns for path in (study / "report").rglob("*.*")} == before
        assert make(study, filters=("reward=rnd",)).again is False  # other options, another report
        make(study)
        (study / "report/aggregate.md").unlink()
        assert not make(study).again
        assert (study / "report/aggregate.md").exists()

    def test_a_changed_run_is_read_again_and_the_others_are_not(self, study, monkeypatch):
        aged(study)
        first = read_found(find_runs([("", study)]))
        run = next(study.glob("runs/doorkey_5x5/rnd/ppo/seed0*"))
        status = run / "status.json"
        status.write_text(status.read_text().replace("finished", "diverged"))
        read = []
        from rewardlab.report.reading import collection as reading

        honest = reading.open_run
        monkeypatch.setattr(reading, "open_run", lambda *given: read.append(given[0]) or honest(*given))
        second = read_found(find_runs([("", study)]))
        assert read == [run]
        assert [run.state for run in second.runs].count("diverged") == 1
        assert [run.name for run in first.runs] == [run.name for run in second.runs]

    def test_what_was_kept_is_what_was_read(self, study):
        import numpy as np

        write_run(
            study, reward="count", seed=5, training={"frames": [1, 2, 3], "reward/intrinsic_mean": [3.0, "", 1.0]}
        )
        fresh = read_found(find_runs([("", study)]))
        aged(study)
        for _ in range(2):
            kept = read_found(find_runs([("a", study)]))
        for one, other in zip(fresh.runs, kept.runs, strict=True):
            assert (one.name, one.config, one.packages, one.assumes) == (
                other.name,
                other.config,
                other.packages,
                other.assumes,
            )
            assert other.folder == "a"
            np.testing.assert_array_equal(one.evaluations.return_mean, other.evaluations.return_mean)
            np.testing.assert_array_equal(one.training.frames, other.training.frames)
            for name, values in one.training.series.items():
                np.testing.assert_array_equal(values, other.training.series[name])

    def test_a_damaged_memory_is_none(self, study):
        aged(study)
        make(study)
        memory = os.path.join(os.environ["XDG_CACHE_HOME"], "rewardlab", "report")
        for name in os.listdir(memory):
            with open(os.path.join(memory, name), "wb") as file:
                file.write(b"\x80\x04 not what it was")
        assert not make(study).again

    def test_a_file_just_written_is_not_trusted(self, study):
        assert all(found.stamp is None for found in find_runs([("", study)]))


class TestStale:
    def test_files_of_an_earlier_report_go_and_others_stay(self, study):
        make(study, by="env")
        out = study / "report"
        (out / "notes.txt").write_text("mine")
        (out / "by_env/doorkey_5x5/aggregate.md").write_text("changed by hand")
        make(study)
        assert not (out / "by_env/doorkey_8x8").exists()
        assert (out / "by_env/doorkey_5x5/aggregate.md").read_text() == "changed by hand"
        assert (out / "notes.txt").exists()

    @pytest.mark.parametrize("name", ["../victim.csv", "/etc/victim.csv", "link/victim.csv", "a/../../victim.csv"])
    def test_a_list_from_somebody_else_deletes_nothing_elsewhere(self, study, tmp_path_factory, name):
        import hashlib

        outside = tmp_path_factory.mktemp("outside")
        for victim in (study / "victim.csv", outside / "victim.csv"):
            victim.write_text("precious")
        out = study / "report"
        out.mkdir()
        (out / "link").symlink_to(outside, target_is_directory=True)
        digest = hashlib.sha256(b"precious").hexdigest()
        (out / "files.json").write_text(json.dumps({"files": {name: digest}}))
        make(study)
        assert (study / "victim.csv").exists()
        assert (outside / "victim.csv").exists()

    def test_nothing_is_written_through_a_link(self, study, tmp_path_factory):
        outside = tmp_path_factory.mktemp("outside")
        (outside / "victim").write_text("precious")
        out = study / "report"
        out.mkdir()
        (out / "report.html").symlink_to(outside / "victim")
        make(study)
        assert (outside / "victim").read_text() == "precious"
        assert not (out / "report.html").is_symlink()

    def test_a_report_folder_that_is_a_link_is_refused(self, study, tmp_path_factory):
        (study / "report").symlink_to(tmp_path_factory.mktemp("outside"), target_is_directory=True)
        with pytest.raises(UserError, match="is a link"):
            make(study)
