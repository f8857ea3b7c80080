"""The pool over fake jobs: real processes, real signals."""

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from fake_driver import fake_jobs

from rewardlab.records import lock
from rewardlab.records.status import read_status
from rewardlab.records.store import RunStore
from rewardlab.sweep.display import Display
from rewardlab.sweep.memory import GIB, Memory, memory_left, taken_by
from rewardlab.sweep.pool import Pool


class Watching(Display):
    """Plain lines into a text, and the largest number of jobs ever seen at work."""

    def __init__(self, total: int) -> None:
        super().__init__(total, 1, io.StringIO())
        self.most = 0

    def refresh(self, running, waiting):
        self.most = max(self.most, len(running))

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def run_pool(root: Path, jobs, slots=2, **options):
    display = Watching(len(jobs))
    return Pool(slots, root / "logs", display, **options).run(jobs), display


def test_no_job_ends_the_others(tmp_path):
    behaviours = ["kill", "fail", "crash", "diverge", "nothing", "finish"]
    outcomes, _ = run_pool(tmp_path, fake_jobs(tmp_path, behaviours))
    assert [outcome.state for outcome in outcomes] == ["failed", "failed", "failed", "diverged", "failed", "finished"]
    assert [outcome.number for outcome in outcomes] == list(range(6))
    details = [outcome.detail for outcome in outcomes]
    assert "SIGKILL" in details[0]
    assert details[1] == "RuntimeError: as asked"
    assert details[2] == "ImportError: broken before it began"  # it wrote no status: the log's last line says why
    assert details[3] == "loss/policy is nan after frame 30"
    assert "fake job nothing" in details[4]
    assert all("fake job" in outcome.log.read_text() for outcome in outcomes)
    assert "$ fake kill" in outcomes[0].log.read_text()


def test_kill_is_recorded_for_the_victim(tmp_path):
    jobs = fake_jobs(tmp_path, ["kill"])
    run_pool(tmp_path, jobs)
    status = read_status(jobs[0].folder)[0]
    assert (status.state, status.kind, status.frames) == ("failed", "killed", 10)


def test_old_status_says_nothing_about_a_new_failure(tmp_path):
    jobs = fake_jobs(tmp_path, ["crash"])
    RunStore(jobs[0].folder).set_status("failed", 5, "an error of last week")
    (outcome,), _ = run_pool(tmp_path, jobs)
    assert outcome.detail == "ImportError: broken before it began"


def test_failed_job_is_tried_again_after_the_others(tmp_path):
    outcomes, display = run_pool(tmp_path, fake_jobs(tmp_path, ["kill-once", "fail", "finish"]), 1, retries=2)
    assert [outcome.state for outcome in outcomes] == ["finished", "failed", "finished"]
    starts = [line.split()[1] for line in display.text.splitlines() if line.startswith("start ")]
    assert starts == ["0:", "1:", "2:", "0:", "1:", "1:"]
    assert "again 0" in display.text and "try 2 of 3" in display.text
    assert outcomes[0].log.read_text().count("$ fake kill-once") == 2


def test_diverged_is_a_result_and_not_tried_again(tmp_path):
    outcomes, display = run_pool(tmp_path, fake_jobs(tmp_path, ["diverge"]), retries=3)
    assert outcomes[0].state == "diverged" and display.text.count("start ") == 1


def test_fail_fast_interrupts_the_others_and_starts_nothing_new(tmp_path):
    outcomes, display = run_pool(tmp_path, fake_jobs(tmp_path, ["wait", "fail", "finish", "finish"]), fail_fast=True)
    assert [outcome.state for outcome in outcomes] == ["interrupted", "failed", "not started", "not started"]
    assert "a job failed: stopping 1 running jobs" in display.text


def test_no_job_is_started_that_would_not_fit(tmp_path):
    jobs = fake_jobs(tmp_path, ["finish"] * 3)
    outcomes, display = run_pool(tmp_path, jobs, 3, memory=Memory(per_job=1e15))
    assert {outcome.state for outcome in outcomes} == {"finished"}  # one at least always runs
    assert display.most == 1 and "memory is short" in display.text


def test_memory_is_kept_for_what_running_jobs_still_grow_to():
    memory = Memory()
    memory.see({1: 3 * GIB, 2: GIB})
    assert memory.per_job == 3 * GIB
    assert not memory.fits({1: 3 * GIB, 2: GIB}, left=5.4 * GIB)  # 2 for the second job, 3 for the new one, 0.5 for all
    assert memory.fits({1: 3 * GIB, 2: GIB}, left=5.6 * GIB)
    assert memory.fits({}, left=0.0) and memory.fits({1: 3 * GIB}, left=None)
    memory.expect_more()
    assert memory.per_job == 4.5 * GIB


def test_memory_of_this_machine_is_known():
    if Path("/proc/meminfo").exists():
        assert GIB / 100 < memory_left() < psutil.virtual_memory().total
        assert taken_by(os.getpid()) == pytest.approx(psutil.Process().memory_full_info().uss, rel=0.2)
    assert taken_by(2**22 + 1) is None


@pytest.mark.parametrize("slots", [1, 3])
def test_at_most_so_many_at_once(tmp_path, slots):
    outcomes, display = run_pool(tmp_path, fake_jobs(tmp_path, ["finish"] * 5), slots)
    assert {outcome.state for outcome in outcomes} == {"finished"}
    assert display.most == slots


def test_finished_and_diverged_runs_start_no_process(tmp_path):
    jobs = fake_jobs(tmp_path, ["finish", "finish", "finish"])
    RunStore(jobs[0].folder).set_status("finished", 100)
    RunStore(jobs[1].folder).set_status("diverged", 50, "loss is nan")
    outcomes, display = run_pool(tmp_path, jobs)
    assert [outcome.state for outcome in outcomes] == ["skipped", "diverged", "finished"]
    assert [(job.folder / "started").exists() for job in jobs] == [False, False, True]
    assert [outcome.log is None for outcome in outcomes] == [True, True, False]
    assert display.text.count("start ") == 1 and "finished already" in display.text


def test_overwrite_starts_a_finished_run(tmp_path):
    job = replace(fake_jobs(tmp_path, ["finish"])[0], overwrite=True)
    RunStore(job.folder).set_status("finished", 100)
    (outcome,), _ = run_pool(tmp_path, [job])
    assert outcome.state == "finished" and (job.folder / "started").exists()


def test_two_jobs_with_one_folder_run_once(tmp_path):
    job = fake_jobs(tmp_path, ["finish"])[0]
    outcomes, display = run_pool(tmp_path, [job, replace(job, number=1)])
    assert [outcome.state for outcome in outcomes] == ["finished", "skipped"]
    assert "same run as job 0" in outcomes[1].detail
    assert display.most == 1


def test_a_checkpoint_makes_it_a_continuation(tmp_path):
    import zipfile

    job = fake_jobs(tmp_path, ["finish"])[0]
    RunStore(job.folder).set_status("interrupted", 50)
    with zipfile.ZipFile(job.folder / "checkpoint.pt", "w") as file:
        file.writestr("data", "x")
    (outcome,), _ = run_pool(tmp_path, [job])
    assert outcome.state == "continued"


def test_locked_run_is_left_and_looked_at_again(tmp_path):
    jobs = fake_jobs(tmp_path, ["finish", "finish"])
    holder = subprocess.Popen(  # another sweep: it holds the first run, finishes it and goes
        [sys.executable, "-c", _OTHER_SWEEP, str(jobs[0].folder), str(jobs[1].folder / "started")],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    outcomes, display = run_pool(tmp_path, jobs, slots=1)
    assert holder.wait(timeout=10) == 0
    assert [outcome.state for outcome in outcomes] == ["skipped", "finished"]
    assert not (jobs[0].folder / "started").exists()
    assert "left 0" in display.text and f"process {holder.pid}" in display.text


_OTHER_SWEEP = """
import sys, time
from pathlib import Path
from rewardlab.records.lock import hold
from rewardlab.records.status import write_status
folder, started = map(Path, sys.argv[1:])
with hold(folder):
    write_status(folder, "running", 1)
    print("held", flush=True)
    while not started.exists():
        time.sleep(0.01)
    write_status(folder, "finished", 100)
"""


def test_run_held_to_the_end_stays_left(tmp_path):
    jobs = fake_jobs(tmp_path, ["finish"])
    with lock.hold(jobs[0].folder):
        (outcome,), _ = run_pool(tmp_path, jobs)
    assert outcome.state == "left" and str(os.getpid()) in outcome.detail
    assert not (jobs[0].folder / "started").exists()


def test_command_that_does_not_exist_fails_alone(tmp_path):
    jobs = fake_jobs(tmp_path, ["finish", "finish"])
    jobs[0] = replace(jobs[0], command=(str(tmp_path / "no-such-program"),))
    outcomes, _ = run_pool(tmp_path, jobs)
    assert [outcome.state for outcome in outcomes] == ["failed", "finished"]


def test_two_pools_share_the_jobs(tmp_path):
    driver = Path(__file__).with_name("fake_driver.py")
    command = [sys.executable, str(driver), str(tmp_path), "5", *["share"] * 8]
    pools = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [pool.communicate(timeout=60) for pool in pools]
    assert [pool.returncode for pool in pools] == [0, 0], said
    assert len(list(tmp_path.glob("runs/*/owners"))) == 8
    owners = [path.read_text().split() for path in tmp_path.glob("runs/*/owners")]
    assert all(len(pids) == 1 for pids in owners)  # nobody did what another one had done


class TestSignals:
    """A driver in a process of its own."""

    def start(self, root: Path, *behaviours: str, grace: float = 20.0) -> subprocess.Popen:
        driver = Path(__file__).with_name("fake_driver.py")
        return subprocess.Popen(
            [sys.executable, str(driver), str(root), str(grace), *behaviours],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def wait_for_pids(self, root: Path, count: int) -> list[int]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            texts = [path.read_text() for path in root.glob("runs/*/pid")]
            if len(texts) == count and all(texts):
                return [int(text) for text in texts]
            time.sleep(0.02)
        raise AssertionError("the jobs did not start")

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
    def test_signal_reaches_every_job_and_nothing_new_starts(self, tmp_path, number, code):
        driver = self.start(tmp_path, "wait", "wait", "finish")
        pids = self.wait_for_pids(tmp_path, 2)
        driver.send_signal(number)
        output, lines = driver.communicate(timeout=20)
        assert driver.returncode == code
        assert "2 interrupted" in output and "1 not started" in output
        assert "stopping 2 running jobs" in lines
        assert not (tmp_path / "runs" / "seed2").exists()
        assert [read_status(tmp_path / "runs" / f"seed{i}")[0].state for i in (0, 1)] == ["interrupted"] * 2
        assert not any(_alive(pid) for pid in pids)

    def test_job_that_does_not_stop_is_killed(self, tmp_path):
        driver = self.start(tmp_path, "stubborn", "finish", grace=0.5)
        pids = self.wait_for_pids(tmp_path, 1)
        driver.send_signal(signal.SIGTERM)
        output, _ = driver.communicate(timeout=20)
        assert driver.returncode == 143
        assert "it did not stop when asked" in output and "1 interrupted" in output
        assert not any(_alive(pid) for pid in pids)

    def test_second_signal_kills_at_once(self, tmp_path):
        driver = self.start(tmp_path, "stubborn", "finish", grace=1000.0)
        pids = self.wait_for_pids(tmp_path, 1)
        driver.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert driver.poll() is None
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=20)
        assert driver.returncode == 130
        assert not any(_alive(pid) for pid in pids)

    def test_job_killed_from_outside_is_one_failed_job(self, tmp_path):
        driver = self.start(tmp_path, "wait", "finish")
        (pid,) = self.wait_for_pids(tmp_path, 1)
        os.kill(pid, signal.SIGKILL)
        output, _ = driver.communicate(timeout=20)
        assert driver.returncode == 1
        assert "1 finished, 1 failed" in output and "killed by SIGKILL" in output


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
