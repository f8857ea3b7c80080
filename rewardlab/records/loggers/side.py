"""The side process that feeds a logger from a run's tables, as the run sees it: started, and waited for a little.

The run only writes its tables. Whatever happens to the logger, its service or its network happens elsewhere.
A logger plug-in has a `Config`, a function `start(config, folder)` that calls `launch`, and a class `Sink`
(see feed.py), which only the side process builds.
"""

import contextlib
import dataclasses
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rewardlab.records.files import now, plain, read_json, write_json

ORDER = "feed.json"  # in the logger's folder: what the side process is to do, and whether it is still wanted
_ROOT = Path(__file__).parents[3]  # what makes this very package importable in the side process


class SideProcess:
    """A running feed. It ends by itself when the run ends, however the run ends."""

    def __init__(self, process: subprocess.Popen[bytes], order: Path) -> None:
        self._process = process
        self._order = order

    @property
    def pid(self) -> int:
        return self._process.pid

    def finish(self, timeout: float = 10.0, hurry: bool = False) -> bool:
        """Tell the feed that no more rows will come, and wait for it a little; then it goes on alone.

        Args:
            timeout: seconds to wait at most.
            hurry: whether it must end soon, whatever it has sent: nothing is left running after an interruption.

        Returns:
            Whether it has sent everything and ended. It never raises: a logger is no reason to fail.
        """
        self.tell_it_is_over(hurry)
        try:
            return self._process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            self._process.returncode = 0  # it outlives this process on purpose: no warning at exit
            return False

    def tell_it_is_over(self, hurry: bool = False) -> None:
        """Say that no more rows will come, as `finish` does, and wait for nothing."""
        with contextlib.suppress(OSError):
            order, _ = read_json(self._order)
            if order is not None:
                write_json(self._order, {**order, "run_over": True, "hurry": hurry})


def finish_all(processes: Iterable[SideProcess | None], timeout: float, hurry: bool = False) -> None:
    """`finish` of the feeds of one run, which wait together; None stands for a logger that feeds nothing."""
    running = [process for process in processes if process is not None]
    for process in running:
        process.tell_it_is_over(hurry)
    give_up = time.monotonic() + timeout
    for process in running:
        process.finish(max(0.0, give_up - time.monotonic()), hurry)


def launch(name: str, config: Any, folder: Path) -> SideProcess | None:
    """Start the side process of a logger, in a session of its own, where no Ctrl-C reaches it.

    Call it when the run is locked, its manifest written and its status `running`. A feed of an earlier session
    that is still sending gives way to the new one.

    Args:
        name: the logger plug-in.
        config: its options.
        folder: the run's folder; the logger's own is `folder/name`, its output `folder/name/feed.log`.

    Returns:
        The process, or None if it could not be started: the run goes on without.
    """
    folder = folder.resolve()
    own = folder / name
    token = uuid.uuid4().hex
    # -P: nothing in the current folder may take the place of a package.
    command = [sys.executable, "-P", "-m", "rewardlab.records.loggers.feed", name, str(folder), token]
    search_path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
    try:
        order = {"token": token, "options": _options(config), "run_pid": os.getpid(), "started_at": now()}
        own.mkdir(exist_ok=True)
        write_json(own / ORDER, {**order, "run_over": False})
        with open(own / "feed.log", "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": search_path},
            )
    except OSError:
        return None
    return SideProcess(process, own / ORDER)


def logger_folders(folder: Path) -> list[Path]:
    """The folders that loggers keep in a run's folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if (path / ORDER).is_file() and not path.is_symlink())


def _options(config: Any) -> dict[str, Any]:
    is_instance = dataclasses.is_dataclass(config) and not isinstance(config, type)
    options: dict[str, Any] = plain(dataclasses.asdict(config) if is_instance else config)
    return options
