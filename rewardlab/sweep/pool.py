"""A pool of subprocesses: one job each, so many at once, and nothing that one of them does ends the others."""

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rewardlab.records.continuation import decide, told
from rewardlab.stopping import SIGNALS
from rewardlab.sweep.display import Display
from rewardlab.sweep.forking import Starter
from rewardlab.sweep.job import Job, Outcome
from rewardlab.sweep.memory import GIB, Memory, memory_left, taken_by
from rewardlab.sweep.process import JobProcess

GRACE_SECONDS = 30.0  # for a job that was asked to stop, to write its checkpoint
BAD_INPUT = 2  # the exit code that no repetition changes
_POLL_SECONDS = 0.02


class Pool:
    """Runs jobs, each in a process and a session of its own: Ctrl-C reaches this process only, which passes it on.

    Args:
        slots: how many jobs run at once.
        log_folder: where what they print goes.
        display: shows how it goes.
        retries: how often a failed job is started again, after all others; it goes on from its checkpoint.
        fail_fast: whether the first job that fails for good ends the sweep; running ones are interrupted.
        memory: says whether another job fits.
        starter: starts them; what it holds is freed at the end.
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
        starter: Starter | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.slots, self.log_folder, self.display, self.grace = slots, log_folder, display, grace
        self.retries, self.fail_fast = retries, fail_fast
        self._memory = memory or Memory()
        self._starter = starter or Starter()
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
        self._starter.expect(jobs)
        with self._signals():
            try:
                self._work(jobs)
                left = [job for job in jobs if self._outcomes[job.number].state == "left"]
                if left and not self._stopping:
                    self._work(left, again=True)
            finally:
                for process in self._running:  # only after an error of our own
                    process.kill()
                self._starter.close()
        return [self._outcomes[job.number] for job in jobs]

    def _work(self, jobs: Sequence[Job], again: bool = False) -> None:
        waiting = deque(jobs)
        while waiting or self._running:
            while waiting and len(self._running) < self.slots and not self._stopping and self._fits():
                if not self._begin(waiting[0], again):
                    break
                waiting.popleft()
            if self._stopping:
                while waiting:
                    job = waiting.popleft()
                    self._settle(Outcome(job.number, job.label, "not started", job.folder))
                self._stop()
            waiting.extend(self._collect())
            self.display.refresh([process.seen() for process in self._running], len(waiting))
            if self._running or waiting:
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

    def _begin(self, job: Job, again: bool) -> bool:
        """Start a job, or find it settled; false if it has to wait until it can be started."""
        first = self._owners.setdefault(job.folder, job.number)
        if first != job.number:
            self._settle(Outcome(job.number, job.label, "skipped", job.folder, detail=f"the same run as job {first}"))
            return True
        # The second look never undoes what the other process has just finished.
        decision = decide(job.folder, job.overwrite and not again, pause_at=job.pause_at)
        if decision.settled is not None:
            self._settle(
                Outcome(
                    job.number, job.label, decision.settled, job.folder, detail=told(decision, job.folder, job.code)
                )
            )
            return True
        if not self._starter.ready(job):
            return False
        try:
            process = JobProcess(job, self.log_folder, decision.action == "continue", self._starter.start)
        except OSError as error:
            detail = f"could not be started: {error}"
            self._settle(Outcome(job.number, job.label, "failed", job.folder, detail=detail, exit_code=1))
            return True
        self._running.append(process)
        self.display.started(job, decision.reason)
        return True

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
            if self._running:
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
