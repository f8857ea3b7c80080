"""The lock of a run's folder: a held flock, with its owner written into it.

The kernel frees a flock when its owner dies, however it dies, so a lock that can be taken is stale by definition.
The text inside only tells people who holds it, and stands in where a file system has no flock.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from rewardlab.errors import one_line
from rewardlab.records.files import now, read_json, same_file

LOCK = "lock"
HEARTBEAT_SECONDS = 15.0
_HEARTBEAT_LOST = 20 * HEARTBEAT_SECONDS  # only asked where there is no flock
_TRIES_SECONDS = 1.0  # another process may be looking whether the lock is free, which takes it for a moment
_WIDTH = 512  # the text is padded to one length, so that a heartbeat never needs room on a full disk
_NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_held: set[int] = set()  # descriptors of the locks that this process holds


@dataclass(frozen=True)
class Owner:
    """Who holds a lock. Times are ISO 8601 in UTC; empty and 0 where unknown."""

    host: str = ""
    boot_id: str = ""
    pid: int = 0
    since: str = ""
    heartbeat: str = ""

    def __str__(self) -> str:
        if not self.pid:
            return "an unknown process"
        return f"process {self.pid} on {self.host} (since {self.since}, last heartbeat {self.heartbeat})"


class Locked(Exception):
    """A live process holds the run."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        super().__init__(f"{folder} is locked by {owner}")
        self.owner = owner


@contextlib.contextmanager
def hold(folder: Path, heartbeat: bool = True) -> Iterator[Owner]:
    """Hold the lock of a run's folder, which is made where it is missing.

    Args:
        heartbeat: whether a thread renews what is written; other machines need it where a file system has no flock.

    Raises:
        Locked: a live process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    descriptor = _acquire(path)
    _held.add(descriptor)
    moment = now()
    owner = Owner(socket.gethostname(), boot_id(), os.getpid(), moment, moment)
    released = threading.Event()
    beating = threading.Thread(target=_beat, args=(descriptor, owner, released), daemon=True, name="lock heartbeat")
    try:
        os.ftruncate(descriptor, 0)
        _write(descriptor, owner)
        if heartbeat:
            beating.start()
        yield owner
    finally:
        released.set()
        if beating.ident is not None:
            beating.join()
        _held.discard(descriptor)
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
        # The file stays: unlinking would let two processes lock two files of one name.
        os.close(descriptor)


def live_owner(folder: Path) -> Owner | None:
    """Who holds the lock of a folder right now, or None where it is free, stale or was never taken."""
    path = folder / LOCK
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_FLOCK:
            return _alive_by_heartbeat(_read(path))
        return _read(path)
    finally:
        os.close(descriptor)
    return None


@cache
def boot_id() -> str:
    """Tells this boot of the machine from every other; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _acquire(path: Path) -> int:
    give_up = time.monotonic() + _TRIES_SECONDS
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if same_file(descriptor, path):  # else somebody removed it in between
                return descriptor
        except OSError as error:
            if error.errno in _NO_FLOCK:
                if (owner := _alive_by_heartbeat(_read(path))) is None:
                    return descriptor
                os.close(descriptor)
                raise Locked(path.parent, owner) from None
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                os.close(descriptor)
                raise
        os.close(descriptor)
        if time.monotonic() > give_up:
            raise Locked(path.parent, _read(path))
        time.sleep(0.02)


def _beat(descriptor: int, owner: Owner, released: threading.Event) -> None:
    while not released.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(OSError):
            _write(descriptor, replace(owner, heartbeat=now()))


def _write(descriptor: int, owner: Owner) -> None:
    os.pwrite(descriptor, f"{json.dumps(asdict(owner)):<{_WIDTH - 1}}\n".encode(), 0)


def _read(path: Path) -> Owner:
    value, _ = read_json(path)
    value = value or {}
    texts = {name: one_line(value.get(name, ""), 100) for name in ("host", "boot_id", "since", "heartbeat")}
    pid = value.get("pid")
    return Owner(pid=pid if isinstance(pid, int) and pid > 0 else 0, **texts)


def _alive_by_heartbeat(owner: Owner) -> Owner | None:
    """The owner, if it must be taken for alive: by its process on this boot, by its heartbeat elsewhere."""
    if not owner.pid:
        return None
    if owner.host == socket.gethostname() and owner.boot_id == boot_id():
        try:
            os.kill(owner.pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return owner
    try:
        age = (datetime.now(UTC) - datetime.fromisoformat(owner.heartbeat)).total_seconds()
    except (TypeError, ValueError):
        return None
    return owner if age < _HEARTBEAT_LOST else None


def _close_in_child() -> None:
    """A forked child (an environment worker, say) must not keep the lock of a parent that died."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
