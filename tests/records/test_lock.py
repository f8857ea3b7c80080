import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rewardlab.records import lock
from rewardlab.records.lock import Locked, hold, live_owner

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time, os
from pathlib import Path
from rewardlab.records.lock import hold
with hold(Path(sys.argv[1])):
    if len(sys.argv) > 2 and os.fork() == 0:
        time.sleep(60)  # a worker that outlives its parent
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path."""
    processes = []

    def start(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        processes.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_live_process_keeps_its_run_and_is_named(tmp_path, holder):
    process = holder()
    owner = live_owner(tmp_path)
    assert (owner.pid, owner.host, owner.boot_id) == (process.pid, socket.gethostname(), lock.boot_id())
    named = f"locked by process {process.pid} on {socket.gethostname()}"
    with pytest.raises(Locked, match=named) as error, hold(tmp_path):
        pass
    assert error.value.owner.pid == process.pid
    process.communicate()
    assert live_owner(tmp_path) is None
    with hold(tmp_path) as owner:
        assert owner.pid == os.getpid()


@pytest.mark.parametrize("arguments", [(), ("fork",)], ids=["alone", "with a worker that lives on"])
def test_a_killed_owner_leaves_a_stale_lock(tmp_path, holder, arguments):
    process = holder(*arguments)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert json.loads((tmp_path / "lock").read_text())["pid"] == process.pid
    give_up = time.monotonic() + 10
    while live_owner(tmp_path) is not None:  # the forked worker lets go as soon as it gets to run at all
        assert time.monotonic() < give_up
        time.sleep(0.01)
    with hold(tmp_path):
        assert live_owner(tmp_path).pid == os.getpid()


def test_the_same_process_cannot_hold_a_run_twice(tmp_path):
    with hold(tmp_path):
        with pytest.raises(Locked), hold(tmp_path):
            pass
        assert live_owner(tmp_path).pid == os.getpid()
    assert live_owner(tmp_path) is None


def test_the_lock_is_freed_by_an_exception_too(tmp_path):
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert live_owner(tmp_path) is None
    assert live_owner(tmp_path / "missing") is None


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.02)
    with hold(tmp_path):
        first = live_owner(tmp_path)
        deadline = time.monotonic() + 10
        while (owner := live_owner(tmp_path)).heartbeat == first.heartbeat and time.monotonic() < deadline:
            time.sleep(0.01)
        assert owner.heartbeat > first.heartbeat
        assert owner.since == first.since
        assert len((tmp_path / "lock").read_bytes()) == 512


def look_often(folder: Path, looking, stop) -> None:
    while not stop.is_set():
        live_owner(folder)
        looking.set()


def test_looking_at_a_lock_does_not_keep_it_from_being_taken(tmp_path):
    with hold(tmp_path):
        pass
    context = multiprocessing.get_context("fork")
    looking, stop = context.Event(), context.Event()
    watcher = context.Process(target=look_often, args=(tmp_path, looking, stop))
    watcher.start()
    try:
        assert looking.wait(10)
        for _ in range(30):
            with hold(tmp_path):
                pass
    finally:
        stop.set()
        watcher.join()


def test_whatever_an_owner_wrote_the_lock_still_holds(tmp_path, holder):
    holder()
    for content in (b"", b"\x00\xff", b"[]", b'{"pid": "x", "host": [1]}'):
        (tmp_path / "lock").write_bytes(content)
        assert live_owner(tmp_path).pid == 0
    with pytest.raises(Locked, match="an unknown process"), hold(tmp_path):
        pass


class TestWithoutFlock:
    """A file system that has none: what the owner wrote decides."""

    @pytest.fixture(autouse=True)
    def no_flock(self, monkeypatch):
        def refuse(*_):
            raise OSError(lock.errno.ENOLCK, "No locks available")

        monkeypatch.setattr(lock.fcntl, "flock", refuse)

    def write(self, folder: Path, **owner) -> None:
        known = {"host": socket.gethostname(), "boot_id": lock.boot_id(), "pid": os.getpid(), "heartbeat": lock.now()}
        (folder / "lock").write_text(json.dumps({**known, **owner}))

    def test_a_live_process_of_this_boot_holds(self, tmp_path):
        self.write(tmp_path)
        assert live_owner(tmp_path).pid == os.getpid()
        with pytest.raises(Locked), hold(tmp_path):
            pass

    def test_a_dead_process_of_this_boot_does_not(self, tmp_path):
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        self.write(tmp_path, pid=process.pid)
        assert live_owner(tmp_path) is None
        with hold(tmp_path):
            assert live_owner(tmp_path).pid == os.getpid()
        assert live_owner(tmp_path) is None

    def test_elsewhere_the_heartbeat_decides(self, tmp_path):
        self.write(tmp_path, host="elsewhere")
        assert live_owner(tmp_path).host == "elsewhere"
        for lost in ("2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00", "rubbish", ""):
            self.write(tmp_path, host="elsewhere", heartbeat=lost)
            assert live_owner(tmp_path) is None
