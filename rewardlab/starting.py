"""Ctrl-C while a command starts: nothing has been written yet, so the process ends at once.

An exception would be raised in the middle of somebody else's import or of compiled code, which take it for a fault of
their own or abort the process.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_CODE = 128 + signal.SIGINT
_AGAIN_SECONDS = 0.01
# Functions that leave a file behind when they are cut off in the middle: Python's own bytecode, ours, numba's kernels,
# a nameless file where the file system has none.
_WRITES = {"_write_atomic", "write_atomic", "save_overload", "TemporaryFile", "NamedTemporaryFile", "mkdtemp"}
_undo: list[Callable[[], None]] = []
_begun_by = 0  # the process whose start it is: not that of a child that it forks


def begin() -> None:
    """From here on Ctrl-C ends the process at once with exit code 130 and one line. Heavy imports come after this."""
    global _begun_by
    before, _begun_by = _begun_by, os.getpid()
    try:
        signal.signal(signal.SIGINT, _end_at_once)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # a sweep starts its jobs with it blocked
    except ValueError:  # not in the main thread, which is the only one that takes signals in
        _begun_by = before


def end(before: object) -> None:
    """The command has ended in a process that goes on: Ctrl-C does what it did `before`."""
    _undo.clear()
    try:
        signal.signal(signal.SIGINT, before)  # type: ignore[arg-type]
    except (ValueError, TypeError):  # not in the main thread, or a handler that is not Python's
        return


def over() -> None:
    """Something is written from here on: Ctrl-C is a KeyboardInterrupt again, so that what was begun is tidied up."""
    if _begun_by == os.getpid() and signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def undo(action: Callable[[], None]) -> None:
    """Do this when Ctrl-C ends the process: it takes back the little that has been written."""
    _undo.append(action)


def undo_folder(folder: str) -> None:
    """Remove a folder that is not there yet, and those that it will stand in, when Ctrl-C finds them empty."""
    missing, path = [], os.path.abspath(folder)
    while not os.path.exists(path):
        missing.append(path)
        path = os.path.dirname(path)

    def remove() -> None:
        for each in missing:
            os.rmdir(each)

    if missing:
        undo(remove)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _begun_by:
        raise KeyboardInterrupt
    if signal.getsignal(signal.SIGINT) is not _end_at_once:  # taken over since it was asked again
        os.kill(_begun_by, signal.SIGINT)
        return
    while frame is not None:
        if frame.f_code.co_name in _WRITES:
            return _ask_again()
        frame = frame.f_back
    for action in reversed(_undo):
        try:  # noqa: SIM105  # contextlib may be what is being imported
            action()
        except OSError:
            pass
    try:  # noqa: SIM105
        sys.stdout.flush()
    except Exception:  # a reader that is gone, or a line that was being written
        pass
    shows_cursor = b"\x1b[?25h" if os.isatty(2) else b""  # a live view may have hidden it
    try:  # noqa: SIM105
        os.write(2, shows_cursor + b"rewardlab: interrupted\n")
    except OSError:
        pass
    os._exit(_CODE)


def _ask_again() -> None:
    """Once the write under way has ended. Without a thread: threading may be what is being imported."""
    signal.signal(signal.SIGALRM, _end_at_once)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
