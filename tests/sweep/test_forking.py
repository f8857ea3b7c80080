"""Jobs forked from a warm process: to their driver and their user they are as if they had been spawned."""

import json
import os
import shlex
import signal
import time
from pathlib import Path

import psutil
import pytest

from rewardlab.sweep.command import job_command, shown_command
from rewardlab.sweep.forking import Starter
from rewardlab.sweep.job import Job
from rewardlab.sweep.options import FORKS
from rewardlab.sweep.process import JobProcess
from tests.torture import runs

pytestmark = pytest.mark.skipif(not FORKS, reason="jobs are forked on Linux only")
TINY = [*runs.TINY, "env=empty_5x5"]


def make_job(root: Path, *overrides: str, command: str = "run", kind: str = "tiny") -> Job:
    arguments = [command, *overrides]
    return Job(
        number=0,
        label="a job",
        folder=root / "run",
        frames=100,
        command=tuple(job_command(arguments)),
        shown=shown_command(arguments),
        kind=kind,
    )


@pytest.fixture
def starter():
    notes: list[str] = []
    made = Starter(True, notes.append)
    made.notes = notes
    yield made
    made.close()


def begin(starter: Starter, job: Job) -> JobProcess:
    starter.expect([job])
    deadline = time.monotonic() + 120.0
    while not starter.ready(job):
        assert time.monotonic() < deadline, "the warm process is not ready"
        time.sleep(0.02)
    return JobProcess(job, job.folder.parent / "logs", False, starter.start)


def end(process: JobProcess) -> int | None:
    deadline = time.monotonic() + 120.0
    while not process.ended():
        assert time.monotonic() < deadline, "the job did not end"
        time.sleep(0.02)
    return process.outcome(killed_by_us=False).exit_code


def warm_process() -> psutil.Process:
    """The one that this process has started."""
    children = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    return next(child for child in children if os.getsid(child.pid) == child.pid and "warm" in str(child.cmdline()))


def long_run(root: Path) -> Job:
    return make_job(root, *TINY, "frames=2e6", "eval.every=2000000", f"results_dir={root}")


def wait_for_work(root: Path) -> None:
    deadline = time.monotonic() + 120.0
    while not any(json.loads(path.read_text())["frames"] for path in root.glob("runs/*/*/*/*/status.json")):
        assert time.monotonic() < deadline, [path.read_text() for path in root.glob("logs/*")]
        time.sleep(0.02)


def test_exit_codes_and_logs(starter, tmp_path):
    process = begin(starter, make_job(tmp_path, command="--version"))
    assert end(process) == 0
    assert process.log.read_text().startswith("$ rewardlab --version\nrewardlab ")
    process = begin(starter, make_job(tmp_path, "reward=nosuch"))
    assert end(process) == 2
    assert "reward=nosuch: no such reward scheme" in process.log.read_text()
    assert starter.notes == []


def test_a_job_is_the_drivers_child_with_a_session_of_its_own(starter, tmp_path):
    process = begin(starter, long_run(tmp_path))
    wait_for_work(tmp_path)
    found = psutil.Process(process.pid)
    assert found.ppid() == os.getpid()
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    assert not os.path.samefile(f"/proc/{process.pid}/fd/1", f"/proc/{warm_process().pid}/fd/1")
    assert {os.readlink(f"/proc/{process.pid}/fd/{number}") for number in (1, 2)} == {str(process.log)}
    process.ask_to_stop(signal.SIGINT)
    assert end(process) == 130
    assert "interrupted: signal 2" in process.log.read_text()


def test_a_job_outlives_the_warm_process_and_the_next_gets_another(starter, tmp_path):
    process = begin(starter, long_run(tmp_path))
    warm_process().kill()
    wait_for_work(tmp_path)
    process.kill()
    assert end(process) == -signal.SIGKILL
    assert end(begin(starter, make_job(tmp_path, command="--version"))) == 0  # lost after it was thought ready
    assert starter.notes == ["the warm process is lost: it ended with -9"]
    assert end(begin(starter, make_job(tmp_path, command="--version"))) == 0
    assert warm_process().is_running()


def test_a_thread_in_the_warm_process_makes_jobs_spawned(starter, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading, time\n"
        "if 'rewardlab.sweep.warm' in sys.orig_argv:\n"
        "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    process = begin(starter, make_job(tmp_path, command="--version"))
    assert end(process) == 0 and "rewardlab " in process.log.read_text()
    assert starter.notes == ["started without the warm process: something that was imported started a thread"]


def test_without_a_warm_process_jobs_are_spawned(starter, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'rewardlab.sweep.warm' in sys.orig_argv:\n    raise SystemExit(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    assert end(begin(starter, make_job(tmp_path, command="--version"))) == 0
    assert starter.notes == ["the warm process is lost: it ended with 1"]


def test_forked_runs_are_the_spawned_ones_bit_for_bit(starter, tmp_path):
    setting = [*TINY, "reward=rnd", "reward.warmup=8", "frames=600"]
    forked, spawned = tmp_path / "forked", tmp_path / "spawned"
    assert end(begin(starter, make_job(tmp_path, *setting, f"results_dir={forked}"))) == 0
    alone = JobProcess(make_job(tmp_path, *setting, f"results_dir={spawned}"), tmp_path / "logs", False)
    assert end(alone) == 0
    folders = [next(root.glob("runs/*/*/*/*")) for root in (forked, spawned)]
    assert runs.differing(*folders) == []
    commands = [json.loads((folder / "manifest.json").read_text())["command"] for folder in folders]
    assert [shlex.split(command)[:-1] for command in commands] == [["rewardlab", "run", *setting]] * 2
