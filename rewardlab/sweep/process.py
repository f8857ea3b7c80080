"""A job's process, however it was started: what it prints, how it is asked to stop, and what became of it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from rewardlab.records.status import Status, read_status
from rewardlab.sweep.command import CHILD, job_environment
from rewardlab.sweep.display import Running
from rewardlab.sweep.job import Job, Outcome
from rewardlab.sweep.verdict import COMMAND_MARK, judge, record_kill


class Process(Protocol):
    """What is needed of a child process; subprocess.Popen is one."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """Once it has ended: its exit code, or minus the number of the signal that killed it."""

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int) -> None: ...


def spawn(job: Job, log: IO[bytes]) -> Process:
    """Start a job in a fresh interpreter, in a session of its own."""
    with interrupts_held() if CHILD in job.command else contextlib.nullcontext():
        return subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=job_environment(),
            start_new_session=True,
        )


class JobProcess:
    """A job's process."""

    def __init__(
        self, job: Job, log_folder: Path, continued: bool, start: Callable[[Job, IO[bytes]], Process] = spawn
    ) -> None:
        self.job, self.continued = job, continued
        self.before: Status | None = read_status(job.folder)[0]
        self.log = log_folder / job.log_name
        self.started = time.monotonic()
        self._asked = self._killed = False
        log_folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"{COMMAND_MARK}{job.shown}\n".encode())
            log.flush()
            self._process = start(job, log)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def outcome(self, killed_by_us: bool) -> Outcome:
        code = self._process.returncode
        assert code is not None
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
        return self._process.pid

    def seen(self) -> Running:
        return Running(self.job, time.monotonic() - self.started, self.before)

    def ask_to_stop(self, signal_number: int) -> None:
        if not self._asked:
            self._asked = True
            self._process.send_signal(signal_number)

    def kill(self) -> None:
        """End it and all that it started."""
        if not self._killed:
            self._killed = True
            self._kill_group(signal.SIGKILL)

    def _kill_group(self, signal_number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal_number)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """SIGINT waits, also in the process that is started now: while Python starts there, it would end in a traceback.

    `starting.begin` lets it in again, so other programs than ours are started as always.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
