"""`rewardlab show` and `rewardlab status` on synthetic folders."""

import contextlib
import os
import subprocess
import sys
import threading

import pytest
from run_folders import bonus_that_fades, write_run

from rewardlab.cli import main
from rewardlab.commands import status
from rewardlab.commands.show import sparkline
from rewardlab.commands.status import scan, totals
from rewardlab.records.driver import driving
from rewardlab.records.lock import hold


@pytest.mark.parametrize(
    ("values", "width", "bars"),
    [
        ([0, 1], 50, "▁█"),
        ([0, 0.5, 1], 3, "▁▅█"),
        ([5, 5, 5], 3, "▁▁▁"),
        ([0, 0, 7, 7], 2, "▁█"),
        ([0, float("nan"), 7], 3, "▁ █"),
        ([], 3, ""),
        ([float("nan")], 3, ""),
    ],
)
def test_sparkline_by_hand(values, width, bars):
    assert sparkline(values, width) == bars


class TestShow:
    def test_a_finished_run(self, tmp_path, capsys):
        import numpy as np

        curve = np.linspace(0, 1, 21)
        run = write_run(tmp_path, returns=curve.tolist(), frames=range(0, 21_000, 1000),
                        training=bonus_that_fades("count", curve))  # fmt: skip
        for where in (run, run / "eval.csv"):
            assert main(["show", str(where)]) == 0
            told = capsys.readouterr().out
            assert "doorkey_5x5  rnd ppo  seed 0: finished" in told
            assert "10k frames" in told  # to 50 %
            assert "18k frames" in told  # to 90 %
            assert "normalised 1.00" in told
            assert "▁" in told and "█" in told
            assert "bonus intrinsic" in told
            assert f"rewardlab run --config {run}/config.yaml" in told

    def test_a_failed_run_and_one_without_evaluations(self, tmp_path, capsys):
        run = write_run(tmp_path, state="failed", returns=[], status={"error": "ValueError: it broke"})
        assert main(["show", str(run)]) == 0
        told = capsys.readouterr().out
        assert "ValueError: it broke" in told
        assert "not evaluated yet" in told

    @pytest.mark.parametrize(("what", "line"), [("absent", "no such folder"), ("", "did you mean")])
    def test_bad_input_is_one_line(self, tmp_path, capsys, what, line):
        write_run(tmp_path)
        assert main(["show", str(tmp_path / what)]) == 2
        told = capsys.readouterr().err
        assert line in told
        assert told.count("\n") == 1

    def test_a_damaged_run_is_one_line(self, tmp_path, capsys):
        run = write_run(tmp_path)
        (run / "eval.csv").write_text("frames,ret")
        assert main(["show", str(run)]) == 2
        assert "eval.csv is cut off" in capsys.readouterr().err


class TestStatus:
    def running(self, tmp_path, seed=0):
        train = {"frames": [10_000, 25_000], "fps": [4000, 5000], "return_mean": ["", 0.25]}
        status = {"frames": 10_000}
        return write_run(tmp_path, seed=seed, state="running", budget=100_000, training=train, status=status)

    def test_what_runs_what_failed_and_what_was_killed(self, tmp_path, capsys):
        write_run(tmp_path, seed=9)
        write_run(tmp_path, seed=8, state="failed", status={"error": "ValueError: it broke"})
        run = self.running(tmp_path)
        self.running(tmp_path, seed=1)
        with hold(run):
            assert main(["status", str(tmp_path)]) == 0
        told = capsys.readouterr().out
        assert told.startswith("4 runs: 1 finished, 1 running, 1 failed, 1 killed; what runs now is done in 15 s")
        (line,) = [line for line in told.splitlines() if line.startswith("running")]
        for part in ("25k of 100k (25%)", "0.25", "5,000", "15 s", "seed0"):
            assert part in line
        assert "ValueError: it broke" in told
        assert "seed9" not in told  # finished runs are counted only
        assert "\x1b" not in told

    def test_strange_files_are_told_and_never_fatal(self, tmp_path):
        broken = write_run(tmp_path)
        (broken / "status.json").write_text("{")
        run = self.running(tmp_path, seed=1)
        (run / "train.csv").write_bytes(b"frames,fps\n\xff\xfe,1,2\n")
        (run / "manifest.json").write_text("[]")
        states = {doing.name.rpartition("/")[2][:5]: doing.state for doing in scan(tmp_path).runs}
        assert states == {"seed0": "unreadable", "seed1": "killed"}
        assert totals(scan(tmp_path).runs) == "2 runs: 1 killed, 1 unreadable"

    def test_a_sweep_at_work_is_told_before_and_between_its_runs(self, tmp_path, capsys):
        done, to_come = write_run(tmp_path), tmp_path / "runs" / "doorkey_5x5" / "rnd" / "ppo" / "seed1-abc"
        sweep = tmp_path / "sweeps" / "20260101-000000-0"
        with driving(sweep, [done, to_come]):
            assert main(["status", str(tmp_path)]) == 0
            told = capsys.readouterr().out.splitlines()
            assert told[0] == "1 run: 1 finished"
            assert told[1].startswith("sweep 20260101-000000-0: 2 jobs: 1 finished, 1 to come (process ")
            write_run(tmp_path, seed=1, folder="doorkey_5x5/rnd/ppo/seed1-abc", state="interrupted")
            assert "1 finished, 1 to come" in status.lines(scan(tmp_path), None)[1]
        assert scan(tmp_path).sweeps == ()
        with driving(sweep, [tmp_path / "runs" / "more"]):  # another batch of the same sweep
            assert len(scan(tmp_path).sweeps[0].runs) == 3
        assert main(["status", str(tmp_path / "sweeps")]) == 2  # no driver, and no run below it

    def test_a_driver_has_no_thread_for_it(self, tmp_path):
        """Linux tells its jobs of its death once for each of its threads, and a second SIGTERM ends a job at once."""
        before = threading.active_count()
        with driving(tmp_path / "sweeps" / "first", []):
            assert threading.active_count() == before

    def test_a_sweep_that_has_no_run_yet_is_no_empty_folder(self, tmp_path, capsys):
        with driving(tmp_path / "sweeps" / "first", [tmp_path / "runs" / "a"]):
            assert main(["status", str(tmp_path)]) == 0
        assert capsys.readouterr().out.splitlines()[0] == "0 runs"

    def test_it_watches_as_long_as_a_driver_lives(self, tmp_path, capsys, monkeypatch):
        write_run(tmp_path)
        looks = []
        with contextlib.ExitStack() as life:
            life.enter_context(driving(tmp_path / "sweeps" / "first", [tmp_path / "runs" / "a"]))

            def sleep(seconds):
                looks.append(seconds)
                if len(looks) == 3:
                    life.close()

            monkeypatch.setattr(status.time, "sleep", sleep)
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
            monkeypatch.setenv("TERM", "xterm")
            assert main(["status", str(tmp_path)]) == 0
        assert len(looks) == 3
        assert "1 run: 1 finished" in capsys.readouterr().out

    def test_a_foreign_sweep_file_is_no_danger(self, tmp_path):
        write_run(tmp_path)
        for place, content in enumerate(("{", "[]", '{"runs": 3}', '{"runs": [1, null, "../../../etc"]}')):
            folder = tmp_path / "sweeps" / str(place)
            folder.mkdir(parents=True)
            (folder / "sweep.json").write_text(content)
            with hold(folder):
                assert len(scan(tmp_path).sweeps) == 1
                assert "to come" in status.lines(scan(tmp_path), None)[1] or place < 3

    @pytest.mark.parametrize("columns", [80, 120])
    @pytest.mark.parametrize("flags", [[], ["--long"]])
    def test_a_terminal_gets_lines_that_fit(self, tmp_path, capsys, monkeypatch, columns, flags):
        name = f"keycorridor/rnd-{'coef=0.123-' * 8}x/ppo/seed7-0123456789ab"
        error = f"ValueError: {'it broke ' * 20}at the end"
        write_run(tmp_path, seed=7, folder=name, state="failed", status={"error": error})
        run = self.running(tmp_path)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))
        with hold(run), driving(tmp_path / "sweeps" / "20260101-000000-000000", [run]):
            assert main(["status", str(tmp_path), "--once", *flags]) == 0
        told = capsys.readouterr().out
        if flags:
            assert name in told and error in told
            return
        assert max(map(len, told.splitlines())) <= columns
        (line,) = [line for line in told.splitlines() if line.startswith("running")]
        for part in ("doorkey_5x5/rnd/ppo/seed0 ", "25k/100k 25%", "0.25", "5,000", "15 s"):
            assert part in line
        assert "keycorridor/rnd-" in told and "  ValueError: it broke" in told

    @pytest.mark.parametrize("what", ["absent", ""])
    def test_bad_input_is_one_line(self, tmp_path, capsys, what):
        assert main(["status", str(tmp_path / what)]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_needs_neither_torch_nor_matplotlib(self):
        code = (
            "import sys, rewardlab.commands.show, rewardlab.commands.status; "
            "assert not {'torch', 'matplotlib', 'hydra'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
