"""The side process: `python -m rewardlab.records.loggers.feed LOGGER FOLDER TOKEN` follows the tables of a run.

It ends when everything is sent after the run has ended (its status says so, its process is gone or its lock is
free), when a later feed of the same run takes over, or when the service has not taken everything within a bound.
"""

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from rewardlab import discovery
from rewardlab.records.files import now, read_json, write_json
from rewardlab.records.lock import live_owner
from rewardlab.records.loggers.side import ORDER
from rewardlab.records.loggers.tail import Tail
from rewardlab.records.status import read_status

POLL_SECONDS = 1.0
TABLES = ("train", "eval")
_POSITION = "position.json"
_PREDECESSOR_SECONDS = 60.0  # what an earlier feed of the same run gets to give way
_HURRY_SECONDS = 20.0  # how long the rest may take where the run goes on later, or under another feed
_SEND_SECONDS = 600.0  # how long the rest may take after the run, where the logger's options do not say


class Sink(Protocol):
    """Where rows go: a logger plug-in's class `Sink(options, manifest, folder)`; free to be slow and to raise."""

    def write(self, table: str, row: Mapping[str, float]) -> None:
        """Send a row of `train` or `eval`; names of its numbers as `tag` gives them."""

    def flush(self) -> None: ...

    def close(self, state: str, summary: Mapping[str, Any]) -> None:
        """No more rows will come. `state` is the run's, `summary` its summary.json, empty where there is none."""


def tag(table: str, column: str) -> str:
    """What a column is called in a logger: grouped columns (`loss/policy`) keep their name."""
    return column if "/" in column else f"{table}/{column}"


def main(arguments: list[str]) -> int:
    name, folder, token = arguments[0], Path(arguments[1]), arguments[2]
    with contextlib.suppress(OSError):
        os.nice(10)
    own = folder / name
    try:
        # Two feeds of one run would write into the same place.
        with open(own / "feed.lock", "ab") as lock:
            if not _wait_for(lock.fileno()):
                print(f"{now()} an earlier feed does not end: nothing is sent", flush=True)
                return 1
            follow(name, folder, token)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def follow(name: str, folder: Path, token: str, poll_seconds: float = POLL_SECONDS) -> None:
    """Send the rows of a run to a logger until the run has ended and everything is sent."""
    own = folder / name
    watch = _Watch(folder, own / ORDER, token)
    order, problem = read_json(own / ORDER)
    if order is None or order.get("token") != token:
        print(f"{now()} not wanted any more {problem}", flush=True)
        return
    manifest = read_json(folder / "manifest.json")[0] or {}
    run_id = manifest.get("run_id")
    sent = read_json(own / _POSITION)[0] or {}
    if sent.get("run_id") != run_id:
        sent = {}  # of a run that was overwritten
    tails = {table: Tail(folder / f"{table}.csv", _frames(sent.get(table))) for table in TABLES}
    options = order.get("options") or {}
    print(f"{now()} sending to {name}", flush=True)
    _bound(watch, options.get("send_seconds"))
    sink: Sink = discovery.load("logger", name).Sink(options, manifest, folder)
    while True:
        over = watch.run_is_over()  # asked before reading, so that the last rows are not missed
        if watch.replaced():
            break
        fresh = [(table, row) for table, tail in tails.items() for row in tail.rows()]
        for table, row in sorted(fresh, key=lambda item: item[1]["frames"]):
            sink.write(table, row)
        if fresh:
            sink.flush()
            if not watch.replaced():
                position = {table: tail.sent_frames for table, tail in tails.items()}
                write_json(own / _POSITION, {"run_id": run_id, **position})
        if over:
            break
        watch.wait(poll_seconds)
    status, _ = read_status(folder)
    sink.close(status.state if status else "", read_json(folder / "summary.json")[0] or {})
    print(f"{now()} everything sent", flush=True)


class _Watch:
    """Whether there is anything left to wait for."""

    def __init__(self, folder: Path, order: Path, token: str) -> None:
        self._folder = folder
        self._order = order
        self._token = token
        self._was_locked = False
        self._asked_to_end = threading.Event()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_signal)

    def run_is_over(self) -> bool:
        order = read_json(self._order)[0] or {}
        if order.get("run_over") or self._asked_to_end.is_set():
            return True
        status, _ = read_status(self._folder)
        if status is not None and status.state != "running" and _later(status.updated_at, order.get("started_at")):
            return True
        if os.getppid() != order.get("run_pid"):
            return True
        if live_owner(self._folder) is not None:
            self._was_locked = True
            return False
        return self._was_locked

    def replaced(self) -> bool:
        """Whether a later feed took over, or the run's files were cleared away."""
        return (read_json(self._order)[0] or {}).get("token") != self._token

    def hurries(self) -> bool:
        return self.replaced() or bool((read_json(self._order)[0] or {}).get("hurry"))

    def wait(self, seconds: float) -> None:
        self._asked_to_end.wait(seconds)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end.set()


def _wait_for(descriptor: int) -> bool:
    give_up = time.monotonic() + _PREDECESSOR_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > give_up:
                return False
            time.sleep(0.1)
        except OSError:
            return True  # a file system without flock


def _bound(watch: _Watch, send_seconds: Any) -> None:
    """End this process some time after the run, whatever it hangs in; a service's local files stay.

    Args:
        send_seconds: how long the rest may take, by the logger's options.
    """

    def end() -> None:
        while not (watch.run_is_over() or watch.replaced()):
            time.sleep(POLL_SECONDS)
        limit = float(send_seconds) if isinstance(send_seconds, (int, float)) else _SEND_SECONDS
        time.sleep(_HURRY_SECONDS if watch.hurries() else limit)
        print(f"{now()} not everything was taken in time: given up", flush=True)
        os._exit(1)

    threading.Thread(target=end, daemon=True, name="bound").start()


def _frames(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else -1.0


def _later(moment: str, than: Any) -> bool:
    """An interrupted run that is being continued still shows the end of its last session."""
    try:
        return datetime.fromisoformat(moment) >= datetime.fromisoformat(than)
    except (TypeError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
