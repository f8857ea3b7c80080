"""What a sweep says at its end: exit codes, the table, the command of a job, the numbers of the live view."""

import io
import os
from pathlib import Path

import pytest

from rewardlab.errors import UserError
from rewardlab.records.status import write_status
from rewardlab.records.table import last_row
from rewardlab.sweep import result
from rewardlab.sweep.command import job_arguments, job_environment, shown_command, slots
from rewardlab.sweep.display import LiveDisplay, Running, eta, make_display
from rewardlab.sweep.job import Job, Outcome
from rewardlab.sweep.result import SweepResult
from rewardlab.sweep.table import clock, outcome_table


def outcomes(*states: str) -> tuple[Outcome, ...]:
    return tuple(Outcome(i, f"run{i}", state, Path(f"/r/{i}"), exit_code=1) for i, state in enumerate(states))


@pytest.mark.parametrize(
    ("states", "signal_number", "code"),
    [
        ((), None, 0),
        (("finished", "skipped", "continued", "left"), None, 0),
        (("finished", "failed"), None, 1),
        (("finished", "diverged"), None, 1),
        (("interrupted", "not started"), 2, 130),
        (("failed", "interrupted"), 15, 143),
    ],
)
def test_exit_code(states, signal_number, code):
    assert SweepResult(outcomes(*states), signal_number).exit_code == code


@pytest.mark.parametrize("exit_code", [143, -15])
def test_a_job_interrupted_from_outside_gives_its_code(exit_code):
    assert SweepResult((Outcome(0, "run", "interrupted", exit_code=exit_code),)).exit_code == 143


def test_result_gathers_the_batches_of_one_sweep():
    result.forget()
    assert result.last_result() is None
    result.remember(outcomes("finished"), None)
    result.remember(outcomes("failed"), None)
    assert result.last_result().counts == {"finished": 1, "failed": 1}
    result.forget()
    assert result.last_result() is None


def test_table_names_every_job_with_failures_last(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rows = (
        Outcome(0, "a seed0", "failed", tmp_path, 61.0, "RuntimeError: boom", tmp_path / "logs" / "0-a.log", 1),
        Outcome(1, "b seed1", "finished", tmp_path, 3723.0, "", tmp_path / "logs" / "1-b.log", 0),
        Outcome(2, "c seed2", "skipped", tmp_path, None, "finished already, 100 frames: overwrite=true runs it anew"),
        Outcome(3, "d seed3", "failed", tmp_path, 1.0, "x" * 1000, tmp_path / "logs" / "3-d.log", 1),
    )
    lines = outcome_table(SweepResult(rows), 3800.0).splitlines()
    assert lines[0].split() == ["job", "outcome", "time", "run", "why"]
    assert [line.split()[0] for line in lines[1:5]] == ["2", "1", "0", "3"]
    assert "overwrite" not in lines[1] and "finished already, 100 frames" in lines[1]
    assert lines[2].split() == ["1", "finished", "1:02:03", "b", "seed1"]
    assert lines[3].split(maxsplit=5)[5] == f"RuntimeError: boom  log: {Path('logs/0-a.log')}"
    assert len(lines[4]) < 300 and lines[4].endswith("logs/3-d.log")
    assert lines[-1] == "4 jobs in 1:03:20: 1 skipped, 1 finished, 2 failed"


def test_clock():
    assert [clock(seconds) for seconds in (None, 0, 59.9, 60, 3599, 3600)] == [
        "",
        "0:00",
        "0:59",
        "1:00",
        "59:59",
        "1:00:00",
    ]


def test_job_arguments_are_what_a_user_would_type():
    hydra_overrides = ["hydra.launcher.jobs=2", "hydra/launcher=pool", "hydra.mode=MULTIRUN", "hydra.searchpath=[/x]"]
    arguments = job_arguments(["env=a", "seed=0"], hydra_overrides, "/my conf")
    assert arguments == ["run", "--config-dir", "/my conf", "env=a", "seed=0", "hydra.searchpath=[/x]"]
    assert shown_command(arguments) == "rewardlab run --config-dir '/my conf' env=a seed=0 'hydra.searchpath=[/x]'"


def test_one_thread_for_each_job(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    monkeypatch.setenv("REWARDLAB_PATH", "/mine")
    environment = job_environment()
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == environment["NUMBA_NUM_THREADS"] == "1"
    assert environment["REWARDLAB_PATH"] == "/mine"


def test_slots_default_to_the_cores():
    assert slots(3) == 3
    assert 1 <= slots(None) <= (os.cpu_count() or 1)
    with pytest.raises(UserError, match=r"hydra.launcher.jobs=0: must be at least 1"):
        slots(0)


def test_last_row_is_the_last_whole_one(tmp_path):
    assert last_row(tmp_path / "train.csv") == {}
    table = tmp_path / "train.csv"
    table.write_text("frames,fps,return_mean\n")
    assert last_row(tmp_path / "train.csv") == {}
    table.write_text("frames,fps,return_mean\n" + "100,50.5,\n" * 3000 + "200,60.5,0.25\n300,7")
    assert last_row(tmp_path / "train.csv") == {"frames": 200.0, "fps": 60.5, "return_mean": 0.25}
    table.write_text("frames,fps,return_mean\n100,50.5,\n")
    assert last_row(tmp_path / "train.csv") == {"frames": 100.0, "fps": 50.5}


@pytest.mark.parametrize(
    ("running", "waiting", "durations", "slots_", "expected"),
    [
        ([], 0, [], 2, None),
        ([None], 3, [], 2, None),  # nothing has finished: who knows how long the waiting ones take
        ([10.0, 20.0], 0, [], 2, 20.0),  # the slowest decides
        ([10.0, 10.0], 4, [30.0, 50.0], 2, (20.0 + 4 * 40.0) / 2),
        ([None, 10.0], 0, [40.0], 2, 25.0),
    ],
)
def test_eta(running, waiting, durations, slots_, expected):
    assert eta(running, waiting, durations, slots_) == expected


def test_live_view_shows_running_jobs_and_totals(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    stream = Terminal()
    display = make_display(3, 2, stream)
    assert isinstance(display, LiveDisplay)
    job = Job(0, "world rnd ppo seed0", tmp_path, 2000, ("x",), "x")
    write_status(tmp_path, "running", 500)
    (tmp_path / "train.csv").write_text("frames,fps,return_mean\n500,100.0,0.125\n")
    display.ended(Outcome(1, "world none ppo seed1", "failed", tmp_path, 3.0, "boom"))
    display.refresh([Running(job, 5.0, None)], waiting=1)
    display.close()
    shown = stream.getvalue()
    assert "failed 1: world none ppo seed1 after 0:03: boom" in shown
    assert all(text in shown for text in ("world rnd ppo seed0", "500/2,000", "25%", "100", "0.125", "0:15"))
    assert "1/3 done" in shown and "1 failed" in shown


def test_plain_lines_where_nobody_watches():
    stream = io.StringIO()
    display = make_display(1, 1, stream)
    display.refresh([], 0)
    assert stream.getvalue() == ""
