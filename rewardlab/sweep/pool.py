"""A pool of subprocesses: one job each, so many at once, and nothing that one of them does ends the others."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rewardlab.records.continuation import decide, told
from rewardlab.records.status import Status, read_status
from rewardlab.stopping import SIGNALS
from rewardlab.sweep.command import CHILD, job_environment
from rewardlab.sweep.display import Display, Running
from rewardlab.sweep.job import Job, Outcome
from rewardlab.sweep.memory import GIB, Memory, memory_left, taken_by
from rewardlab.sweep.verdict import COMMAND_MARK, judge, record_kill

GRACE_SECONDS = 30.0  # for a job that was asked to stop, to write its checkpoint
BAD_INPUT = 2  # the exit code that no repetition changes
_POLL_SECONDS = 0.1


class Pool:
    """Runs jobs, each in a process and a session of its own: Ctrl-C reaches this process only, which passes it on.

    Args:
        slots: how many jobs run at once.
        log_folder: where what they print goes.
        display: shows how it goes.
        retries: how often a failed job is started again, after all others; it goes on from its checkpoint.
        fail_fast: whether the first job that fails for good ends the sweep; running ones are interrupted.
        memory: says whether another job fits.
        grace: seconds for a job that was asked to stop; then it is killed.
    """

    def __init__(
        self,
        slots: int,
        log_folder: Path,
        display: Display,
        *,
        retries: int = 0,
        fail_fast: bool = False,
        memory: Memory | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.slots, self.log_folder, self.display, self.grace = slots, log_folder, display, grace
        self.retries, self.fail_fast = retries, fail_fast
        self._memory = memory or Memory()
        self._tries: Counter[int] = Counter()
        self._failed_fast = False
        self._tight = False  # whether it has been said that memory is short
        self.signal_number: int | None = None
        self._urgent = False  # a second signal: no more patience
        self._kill_at = float("inf")
        self._running: list[JobProcess] = []
        self._outcomes: dict[int, Outcome] = {}
        self._owners: dict[Path, int] = {}  # a run's folder -> the first job of the sweep that it belongs to

    def run(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do the jobs; one outcome for each, in their order.

        Jobs whose run another process holds are left to it, and looked at again once when all others have ended.
        `signal_number` tells afterwards which signal ended the sweep, if one did.
        """
        with self._signals():
            try:
                self._work(jobs)
                left = [job for job in jobs if self._outcomes[job.number].state == "left"]
                if left and not self._stopping:
                    self._work(left, again=True)
            finally:
                for process in self._running:  # only after an error of our own
                    process.kill()
        return [self._outcomes[job.number] for job in jobs]

    def _work(self, jobs: Sequence[Job], again: bool = False) -> None:
        waiting = deque(jobs)
        while waiting or self._running:
            while waiting and len(self._running) < self.slots and not self._stopping and self._fits():
                self._begin(waiting.popleft(), again)
            if self._stopping:
                while waiting:
                    job = waiting.popleft()
                    self._settle(Outcome(job.number, job.label, "not started", job.folder))
                self._stop()
            waiting.extend(self._collect())
            self.display.refresh([process.seen() for process in self._running], len(waiting))
            if self._running:
                time.sleep(_POLL_SECONDS)

    @property
    def _stopping(self) -> bool:
        return self.signal_number is not None or self._failed_fast

    def _fits(self) -> bool:
        """Whether there is memory for another job; one at least always runs."""
        taken = {process.pid: taken_by(process.pid) for process in self._running}
        self._memory.see(taken)
        fits = self._memory.fits(taken, memory_left())
        if not fits and not self._tight:
            self._tight = True
            per_job = f"{self._memory.per_job / GIB:.1f} GiB"
            self.display.note(f"memory is short: {len(self._running)} jobs at once for now ({per_job} each)")
        return fits

    def _begin(self, job: Job, again: bool) -> None:
        first = self._owners.setdefault(job.folder, job.number)
        if first != job.number:
            self._settle(Outcome(job.number, job.label, "skipped", job.folder, detail=f"the same run as job {first}"))
            return
        # The second look never undoes what the other process has just finished.
        decision = decide(job.folder, job.overwrite and not again)
        if decision.settled is not None:
            self._settle(
                Outcome(
                    job.number, job.label, decision.settled, job.folder, detail=told(decision, job.folder, job.code)
                )
            )
            return
        try:
            process = JobProcess(job, self.log_folder, continued=decision.action == "continue")
        except OSError as error:
            detail = f"could not be started: {error}"
            self._settle(Outcome(job.number, job.label, "failed", job.folder, detail=detail, exit_code=1))
            return
        self._running.append(process)
        self.display.started(job, decision.reason)

    def _collect(self) -> list[Job]:
        """Settle the jobs that have ended; those to be tried again."""
        again = []
        for process in [process for process in self._running if process.ended()]:
            self._running.remove(process)
            outcome = process.outcome(killed_by_us=self._kill_at <= time.monotonic() or self._urgent)
            if outcome.exit_code == -signal.SIGKILL and outcome.state == "failed":
                self._memory.expect_more()
            if self._tried_again(process.job, outcome):
                again.append(process.job)
            else:
                self._settle(outcome)
                self._failed_fast |= self.fail_fast and outcome.state == "failed"
        return again

    def _tried_again(self, job: Job, outcome: Outcome) -> bool:
        if outcome.state != "failed" or outcome.exit_code == BAD_INPUT or self._stopping:
            return False
        if decide(job.folder, job.overwrite).action == "damaged":  # nor one that only its user can mend
            return False
        if self._tries[job.number] >= self.retries:
            return False
        self._tries[job.number] += 1
        turn = f"try {self._tries[job.number] + 1} of {self.retries + 1}"
        self.display.note(f"again {job.number}: {job.label} ({outcome.detail}; {turn})")
        return True

    def _settle(self, outcome: Outcome) -> None:
        self._outcomes[outcome.number] = outcome
        self.display.ended(outcome)

    def _stop(self) -> None:
        if self._kill_at == float("inf"):
            self._kill_at = time.monotonic() + self.grace
            why = "" if self.signal_number is not None else "a job failed: "
            self.display.note(f"{why}stopping {len(self._running)} running jobs (again: kills them)")
        for process in self._running:
            process.ask_to_stop(self.signal_number or signal.SIGTERM)
            if self._urgent or time.monotonic() > self._kill_at:
                process.kill()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            self._urgent = self.signal_number is not None
            self.signal_number = self.signal_number or number

        before = {number: signal.signal(number, handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class JobProcess:
    """A job's process."""

    def __init__(self, job: Job, log_folder: Path, continued: bool) -> None:
        self.job, self.continued = job, continued
        self.before: Status | None = read_status(job.folder)[0]
        self.log = log_folder / job.log_name
        self.started = time.monotonic()
        self._asked = self._killed = False
        log_folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"{COMMAND_MARK}{job.shown}\n".encode())
            log.flush()
            with _interrupts_held(job):
                self._popen = subprocess.Popen(
                    job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=job_environment(),
                    start_new_session=True,
                )

    def ended(self) -> bool:
        return self._popen.poll() is not None

    def outcome(self, killed_by_us: bool) -> Outcome:
        code = self._popen.returncode
        if code < 0:
            self._kill_group(signal.SIGTERM)  # processes that it started and could not end itself
            record_kill(self.job.folder, code)
        if self._killed and killed_by_us and code == -signal.SIGKILL:
            state, detail = "interrupted", "killed: it did not stop when asked"
        else:
            state, detail = judge(self.job.folder, code, self.before, self.continued, self.log)
        seconds = time.monotonic() - self.started
        return Outcome(self.job.number, self.job.label, state, self.job.folder, seconds, detail, self.log, code)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def seen(self) -> Running:
        return Running(self.job, time.monotonic() - self.started, self.before)

    def ask_to_stop(self, signal_number: int) -> None:
        if not self._asked:
            self._asked = True
            self._popen.send_signal(signal_number)

    def kill(self) -> None:
        """End it and all that it started."""
        if not self._killed:
            self._killed = True
            self._kill_group(signal.SIGKILL)

    def _kill_group(self, signal_number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal_number)


@contextmanager
def _interrupts_held(job: Job) -> Iterator[None]:
    """SIGINT waits, also in the process that is started now: while Python starts there, it would end in a traceback.

    `starting.begin` lets it in again, so other programs than ours are started as always.
    """
    if CHILD not in job.command:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
