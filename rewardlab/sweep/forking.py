"""Starting jobs from a warm process, which rewardlab.sweep.warm describes; and without one where there is none."""

import json
import os
import select
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import IO, Any

from rewardlab.sweep.command import CHILD, job_environment, module_command
from rewardlab.sweep.job import Job
from rewardlab.sweep.kernel import adopting
from rewardlab.sweep.process import Process, interrupts_held, spawn

WARM = "rewardlab.sweep.warm"
_ANSWER_SECONDS = 30.0  # for a fork, of which a busy machine may take its time
_LARGEST = 2**16  # bytes of an answer
_MOST_LOST = 3  # warm processes that may die before jobs are started without one
_MOST_KINDS = 16  # of jobs that are tried out before the first one starts


class Starter:
    """Starts the jobs of a sweep: forked from a warm process, or each in a fresh interpreter.

    Args:
        fork: whether to fork.
        note: says what the user might want to know.
    """

    def __init__(self, fork: bool = False, note: Callable[[str], None] = lambda text: None) -> None:
        self._fork, self._note = fork, note
        self._kinds: list[list[str]] = []
        self._warm: _Warm | None = None
        self._lost = 0
        self._said: set[str] = set()

    def expect(self, jobs: Sequence[Job]) -> None:
        """Learn which jobs may come."""
        kinds = {job.kind: job.arguments for job in jobs if job.kind}
        self._kinds = list(kinds.values())[:_MOST_KINDS]

    def ready(self, job: Job) -> bool:
        """Whether the job can be started now; false while the warm process, which this starts, still imports."""
        if not self._forks(job):
            return True
        try:
            if self._warm is None:
                self._warm = _taken() or _Warm()
            return self._warm.ready(self._kinds)
        except (OSError, ValueError) as error:
            self._lose(error)
            return self.ready(job)

    def start(self, job: Job, log: IO[bytes]) -> Process:
        """Start a job that is ready.

        Raises:
            OSError: its program is not there.
        """
        if self._warm is not None and self._forks(job):
            try:
                return self._warm.fork(job, log)
            except _CannotFork as reason:
                self._say(f"started without the warm process: {reason}")
            except (OSError, ValueError) as error:
                self._lose(error)
        return spawn(job, log)

    def close(self) -> None:
        if self._warm is not None:
            self._warm.close()
            self._warm = None

    def _forks(self, job: Job) -> bool:
        return self._fork and CHILD in job.command

    def _lose(self, error: Exception) -> None:
        why = self._warm.fate() if self._warm is not None else ""
        self.close()
        self._lost += 1
        self._fork = self._lost < _MOST_LOST
        self._say(f"the warm process is lost: {why or error}")

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._note(text)


def begin_early() -> None:
    """Start a warm process for the sweep that this process is about to do: it imports while the jobs are checked."""
    global _early
    if _early is None:
        _early = _Warm()


def end_early() -> None:
    """End it if nobody took it."""
    if (unused := _taken()) is not None:
        unused.close()


def _taken() -> "_Warm | None":
    global _early
    taken, _early = _early, None
    return taken


_early: "_Warm | None" = None


class _CannotFork(Exception):
    """The warm process is well, but says that a fork would not be safe."""


class _Warm:
    """The driver's end. All that fails raises OSError or ValueError: the warm process is of no use any more."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, interrupts_held():
            self._process = subprocess.Popen(
                [*module_command(WARM), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=job_environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket.settimeout(_ANSWER_SECONDS)
        self._asked = self._ready = False

    def ready(self, jobs: Sequence[Sequence[str]]) -> bool:
        """Whether it has tried out these jobs, of each the arguments; the first call has it do so."""
        if not self._asked:
            self._socket.send(json.dumps({"warm": jobs}).encode())
            self._asked = True
        if not self._ready and select.select([self._socket], [], [], 0)[0]:
            self._ready = bool(self._answer()[0]["ready"])
        return self._ready

    def fork(self, job: Job, log: IO[bytes]) -> Process:
        with adopting():
            socket.send_fds(self._socket, [json.dumps({"arguments": job.arguments}).encode()], [log.fileno()])
            answer, descriptors = self._answer()
        for start in descriptors:  # the job begins now that it is known
            os.write(start, b"!")
            os.close(start)
        if "cannot" in answer:
            raise _CannotFork(answer["cannot"])
        return _Adopted(int(answer["pid"]))

    def fate(self) -> str:
        """How it ended; empty if it has not."""
        try:
            return f"it ended with {self._process.wait(1.0)}"
        except subprocess.TimeoutExpired:
            return ""

    def close(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _answer(self) -> tuple[dict[str, Any], list[int]]:
        """A message, and the descriptors that came with it."""
        message, descriptors, _, _ = socket.recv_fds(self._socket, _LARGEST, 1)
        if not message:
            raise OSError("it hung up")
        return json.loads(message), descriptors


class _Adopted:
    """A child process that another one started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)
