"""The warm process of a sweep: `python -m rewardlab.sweep.warm DRIVER SOCKET` imports once and forks each job.

It talks to the driver over a socket, one message (JSON) a packet, from when it has imported. First comes the driver's

    {"warm": [[ARGUMENT, ...], ...]}     some of the sweep's jobs: what they import and load is there when they come

to which {"ready": true} is the answer. Then for each job {"arguments": [...]} with the descriptor of its log. Answers
are {"pid": N}, with a descriptor on which the job waits for the driver's word, and {"cannot": "why"} where a fork
would not be safe.

A job becomes a child of the driver, as if that had started it: the process that forks it ends at once, and the driver
adopts orphans meanwhile. So its exit code reaches the driver, its leash is the driver's, and it does not notice when
the warm process dies. That one dies with its driver.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rewardlab import starting
from rewardlab.sweep import child
from rewardlab.sweep.kernel import signal_at_parents_end

_LARGEST = 2**20  # bytes of a message
_NEEDED = ("torch", "rewardlab.commands.run", "rewardlab.run")  # by name: the sweep stands below what it starts
_TASKS = Path("/proc/self/task")


def main() -> None:
    driver, connection = int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    signal_at_parents_end(signal.SIGKILL)
    if os.getppid() != driver:
        return
    gc.disable()  # to look for garbage among what is imported takes a tenth of the time
    for module in _NEEDED:
        importlib.import_module(module)
    arguments = _serve(driver, connection)
    if arguments is not None:  # from here on this is a job's process
        sys.argv = [child.__file__, *arguments]
        starting.begin()
        _exit_after(lambda: child.do(driver))


def _serve(driver: int, connection: socket.socket) -> list[str] | None:
    """Fork a job for each request until the driver hangs up. In the job's process it returns the job's arguments."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, _LARGEST, 1)
        if not message:
            return None
        request = json.loads(message)
        if "warm" in request:
            _try_out(request["warm"])
            _tell(connection, {"ready": True})
            continue
        with os.fdopen(descriptors[0], "wb") as log:
            why = _not_safe()
            if why:
                _tell(connection, {"cannot": why})
                continue
            forked = _fork()
            if forked is None:
                connection.close()
                _settle_in(log.fileno())
                return list(request["arguments"])
        pid, start = forked
        _tell(connection, {"pid": pid}, start)
        os.close(start)


def _tell(connection: socket.socket, answer: dict[str, Any], *descriptors: int) -> None:
    socket.send_fds(connection, [json.dumps(answer).encode()], descriptors)


def _try_out(jobs: Sequence[Sequence[str]]) -> None:
    """Compose and build some of the sweep's runs, which loads what they load. Nothing is written."""
    torch, command = sys.modules["torch"], sys.modules["rewardlab.commands.run"]
    before = torch.get_rng_state()
    for arguments in jobs:
        with suppress(Exception):  # the job itself will say what is wrong with it
            command.rehearse(arguments)
    torch.set_rng_state(before)
    gc.enable()
    gc.collect()
    gc.freeze()  # the collector would write to every page: jobs share what nobody writes to


def _not_safe() -> str:
    """Why a fork would not be safe now; empty where it is."""
    if len(list(_TASKS.iterdir())) != 1:
        return "something that was imported started a thread"
    torch = sys.modules["torch"]
    if torch.cuda.is_initialized():
        return "something that was imported opened the GPU"
    return ""


def _fork() -> tuple[int, int] | None:
    """A new process: its number, and a descriptor on which it waits for a byte to begin. In that process, None.

    It has a session of its own, and is an orphan.
    """
    told, tell = os.pipe()
    start, starts = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            if os.fork():
                os._exit(0)
            os.setsid()
            os.write(tell, str(os.getpid()).encode())
            for descriptor in (told, tell, starts):
                os.close(descriptor)
            if os.read(start, 1):
                os.close(start)
                return None
        finally:
            if sys.exc_info()[0] is not None:
                os._exit(1)
        os._exit(128 + signal.SIGTERM)  # the warm process, or the driver, died before the driver knew of this one
    os.close(tell)
    os.close(start)
    os.waitpid(between, 0)  # from now on its child is the driver's
    with os.fdopen(told, "rb") as file:
        return int(file.read()), starts


def _exit_after(work: Callable[[], None]) -> None:
    """Do it and exit as Python does, but for one thing: what was inherited is left to the system.

    To take that apart would write to all pages that are shared.
    """
    code: object = None
    try:
        work()
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # what Python itself calls, and multiprocessing
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _settle_in(log: int) -> None:
    """What a fresh process would have: an output, and chance of its own."""
    os.dup2(log, 1)
    os.dup2(log, 2)
    if "numpy" in sys.modules:  # Python's own generator sees to itself
        sys.modules["numpy"].random.seed()


if __name__ == "__main__":
    main()
