"""Our end of a sandbox: starts the worker, hands it rows, and believes nothing that it says but float32 numbers.

The code that runs there may be wrong, hostile, or written by a model that was talked into it. It gets no environment,
no files, no network, no processes and no threads, and it ends with us (`worker.py`). Linux alone gives what this takes
(seccomp); elsewhere `available` says why not.

Out of its reach, by the kernel: files, sockets, other processes, this process's memory. Not out of its reach: time,
which a deadline bounds; memory, which a limit bounds; flaws of the kernel, and what the cores' timing tells.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rewardlab.errors import CodeError, UserError
from rewardlab.sandbox import worker
from rewardlab.types.aliases import Array

ROWS = 4096  # rows of a request at most
_SEALS = 0x0001 | 0x0002 | 0x0004  # no more seals, not shorter, not longer: see fcntl.h
_ADD_SEALS = 1033
_CPU_CLOCK = 2  # of a process's clocks the one of the time that it computed: see clock_getcpuclockid(3)
_PATIENCE = 0.2  # seconds until a process that waits for a processor is looked at again
_ALIGNED = 64  # bytes
_PASSED_ON = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Field:
    """One array that the code is shown: [rows, *shape].

    group: the argument it belongs to. name: its attribute there; None: it is the whole argument.
    """

    group: str
    name: str | None
    dtype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is asked of the code.

    functions: that it must define, called one after another with the same arguments. arguments: groups of fields, in
    order. constants: names that it finds defined. notes: dictionaries of truths beside the functions that are reported.
    columns: numbers for a row at most. seconds: for a request, without those in which others had the processor that
    it waited for. memory: bytes of the process.
    """

    functions: tuple[str, ...]
    arguments: tuple[str, ...]
    fields: tuple[Field, ...]
    constants: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    columns: int = 16
    seconds: float = 10.0
    memory: int = 1 << 30


def available() -> str | None:
    """None, or why this machine cannot run unread code safely."""
    if sys.platform != "linux":
        return f"{sys.platform} has no seccomp"
    try:
        import pyseccomp  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        return f"libseccomp is missing ({error}); on Debian: apt-get install libseccomp2, and pip install pyseccomp"
    return None


class Sandbox:
    """A process that runs one piece of code on rows, and nothing else.

    Args:
        confined: False runs the code in a process of its own that may do all that the user may.

    Attributes:
        columns: names of the numbers that the code returns for each row, known after the first call.
        notes: what the code says beside its functions.

    Raises:
        UserError: this machine cannot confine it.
    """

    def __init__(self, source: str, plan: Plan, *, confined: bool = True) -> None:
        missing = available() if confined else None
        if missing is not None:
            raise UserError(f"unread code cannot be run safely here: {missing}")
        self.columns: tuple[str, ...] = ()
        self.notes: dict[str, dict[str, bool]] = {}
        self._source, self._plan, self._confined = source, plan, confined
        self._asked, self._computed = 0, 0.0  # its processor's time when it was asked last
        self._process: subprocess.Popen[bytes] | None = None
        self._rows: list[Array] = []
        self._results: Array | None = None
        self._start()

    def __call__(self, groups: Mapping[str, Any]) -> Array:
        """float32 [columns, B] for rows.

        Args:
            groups: for each argument of the plan an array [B, ...], or such arrays by their names.

        Raises:
            CodeError: the code failed; the sandbox is closed then unless it raised an error by itself.
        """
        arrays = [_member(groups, each) for each in self._plan.fields]
        count = len(arrays[0])
        parts = [self._chunk([array[at : at + ROWS] for array in arrays]) for at in range(0, max(count, 1), ROWS)]
        return np.concatenate(parts, axis=1) if len(parts) != 1 else parts[0]

    @property
    def running(self) -> bool:
        """Whether there is a process; a call starts another where one was ended."""
        return self._process is not None

    @property
    def cpu_seconds(self) -> float | None:
        """What its process has computed so far, however busy the machine is; None where nobody tells."""
        if self._process is None or sys.platform != "linux":
            return None
        try:
            return time.clock_gettime(~self._process.pid << 3 | _CPU_CLOCK)
        except OSError:
            return None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        process, self._process = self._process, None
        self._rows, self._results = [], None
        if process is not None:
            self._end()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _start(self) -> None:
        plan = self._plan
        layout, start = [], 0
        for each in plan.fields:
            layout.append((each.group, each.name, each.dtype, each.shape, start))
            size = ROWS * int(np.prod(each.shape, dtype=np.int64)) * np.dtype(each.dtype).itemsize
            start += -(-size // _ALIGNED) * _ALIGNED
        rows_fd, results_fd = _memory("rows", max(start, 1)), _memory("results", 4 * plan.columns * ROWS)
        try:
            rows = mmap.mmap(rows_fd, 0)
            results = mmap.mmap(results_fd, 0, prot=mmap.PROT_READ)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", worker.__file__, str(Path(np.__file__).parent.parent)]
                + [str(each) for each in (rows_fd, results_fd, os.getpid(), int(self._confined))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
                | {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                cwd="/",
                pass_fds=(rows_fd, results_fd),
                start_new_session=True,
                bufsize=0,
            )
        finally:
            os.close(rows_fd)
            os.close(results_fd)
        self._end = weakref.finalize(self, _kill, self._process, os.getpid())
        self._rows = [
            np.frombuffer(rows, dtype, ROWS * int(np.prod(shape, dtype=np.int64)), at).reshape(ROWS, *shape)
            for _, _, dtype, shape, at in layout
        ]
        self._results = np.frombuffer(results, np.float32).reshape(plan.columns, ROWS)
        told = {
            "functions": plan.functions,
            "arguments": plan.arguments,
            "fields": layout,
            "constants": dict(plan.constants),
            "notes": plan.notes,
            "columns": plan.columns,
            "rows": ROWS,
            "memory": plan.memory,
        }
        self._computed = 0.0
        for text in (json.dumps(told), self._source):
            written = text.encode()
            self._send(len(written).to_bytes(4, "little") + written, time.monotonic() + plan.seconds)

    def _chunk(self, arrays: Sequence[Array]) -> Array:
        if self._process is None:
            self._start()
        count = len(arrays[0])
        for place, array in zip(self._rows, arrays, strict=True):
            place[:count] = array
        deadline = time.monotonic() + self._plan.seconds
        self._computed = self.cpu_seconds or 0.0
        if self._waiting(0.0):
            raise self._ended("wrote where only replies belong")
        self._asked += 1
        self._send(worker.REQUEST.pack(self._asked, count), deadline)
        sequence, status, length = worker.REPLY.unpack(self._read(worker.REPLY.size, deadline))
        if sequence != self._asked or length > worker.LONGEST:
            raise self._ended("wrote where only replies belong")
        text = self._read(length, deadline).decode("utf-8", "replace")
        if status != worker.DONE:
            raise CodeError(printable(text))
        self._take(text)
        assert self._results is not None
        # A copy first: the process could still write.
        return self._results[: len(self.columns), :count].copy()

    def _take(self, text: str) -> None:
        """What a reply says of columns and notes."""
        try:
            told = json.loads(text)
            columns = tuple(printable(str(name))[:80] for name in told["columns"])
            notes = {
                printable(str(name)): {printable(str(key)): bool(truth) for key, truth in each.items()}
                for name, each in told["notes"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._ended("wrote where only replies belong") from None
        if not 0 < len(columns) <= self._plan.columns or len(set(columns)) != len(columns):
            raise self._ended("returns no columns, too many, or two of one name")
        if self.columns and columns != self.columns:
            raise CodeError(f"returns {', '.join(columns)} now, and returned {', '.join(self.columns)} before")
        self.columns, self.notes = columns, notes

    def _send(self, data: bytes, deadline: float) -> None:
        stream = self._process.stdin if self._process is not None else None
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
        while data:
            _, ready, _ = select.select([], [stream], [], max(0.0, deadline - time.monotonic()))
            if not ready and self._starved():
                deadline = time.monotonic() + _PATIENCE
            elif not ready:
                raise self._ended(f"took longer than {self._plan.seconds:g} s")
            try:
                data = data[os.write(stream.fileno(), data) :]
            except BrokenPipeError:
                raise self._ended(None) from None

    def _read(self, count: int, deadline: float) -> bytes:
        stream = self._process.stdout if self._process is not None else None
        assert stream is not None
        read = b""
        while len(read) < count:
            if not self._waiting(max(0.0, deadline - time.monotonic())):
                if self._starved():
                    deadline = time.monotonic() + _PATIENCE
                    continue
                raise self._ended(f"took longer than {self._plan.seconds:g} s")
            part = os.read(stream.fileno(), count - len(read))
            if not part:
                raise self._ended(None)
            read += part
        return read

    def _starved(self) -> bool:
        """Whether its process wants to compute and got less time for it than it may take: the machine is busy."""
        if self._process is None or (computed := self.cpu_seconds) is None:
            return False
        try:
            state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return False
        return state == "R" and computed - self._computed < self._plan.seconds

    def _waiting(self, seconds: float) -> bool:
        assert self._process is not None
        stream = self._process.stdout
        assert stream is not None
        return bool(select.select([stream], [], [], seconds)[0])

    def _ended(self, why: str | None) -> CodeError:
        """The error that the process was ended for, or ended with."""
        process = self._process
        if why is None and process is not None:
            try:
                code = process.wait(1.0)
                why = f"ended its process by {signal.Signals(-code).name}" if code < 0 else "ended its process"
            except subprocess.TimeoutExpired:
                why = "closed its end"
        self.close()
        return CodeError(f"the code {why}")


def _kill(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:
        return  # what a fork of its owner inherited is not its to end
    with suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:  # else its number may be another's by now
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def printable(text: str) -> str:
    """Text of unknown origin without control characters, so that no terminal obeys it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _member(groups: Mapping[str, Any], field: Field) -> Array:
    group = groups[field.group]
    array: Array = np.asarray(group if field.name is None else group[field.name])
    return array


def _memory(name: str, size: int) -> int:
    """A file in memory of a fixed size: could the other end cut it, our next look at it would kill us."""
    if sys.platform != "linux":  # where nothing is confined anyway
        with tempfile.TemporaryFile() as file:
            made = os.dup(file.fileno())
        os.ftruncate(made, size)
        return made
    made = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(made, size)
    fcntl.fcntl(made, _ADD_SEALS, _SEALS)
    return made
