"""A Ray cluster of two nodes on the loopback, one of which is lost in the middle of a sweep."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.torture.launchers import OVERRIDES

_ENDED = 1200.0  # seconds after which a sweep is given up


@dataclass
class LostNode:
    """What became of a sweep. `before`: runs finished when the node was killed; `elsewhere`: those it took along."""

    code: int
    results: int
    before: int
    elsewhere: int
    said: str


def lose_a_node(root: Path, jobs: int = 12, before: int = 3) -> LostNode:
    """Sweep over two nodes of one CPU each; SIGKILL all of the second one when some runs are finished."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as temporary:
        head = ["--head", "--node-ip-address=127.0.0.1", f"--port={port}", f"--temp-dir={temporary}"]
        second = ["--node-ip-address=127.0.0.2", f"--address=127.0.0.1:{port}"]
        with (
            _node([*head, "--include-dashboard=false"], environment, root / "head.log"),
            _node(second, environment, root / "second.log") as lost,
        ):
            command = [sys.executable, "-m", "rewardlab", "run", "-m", *OVERRIDES, f"seed=range(0,{jobs})"]
            command += ["hydra/launcher=ray", f"hydra.launcher.address=127.0.0.1:{port}", f"results_dir={root}"]
            with open(root / "sweep.log", "w") as log:
                sweep = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            _wait(lambda: sweep.poll() is not None or (len(_in_state(root, "finished")) >= before and _at_work(lost)))
            finished, elsewhere = len(_in_state(root, "finished")), _at_work(lost)
            _kill(lost)
            code = sweep.wait(timeout=_ENDED)
    return LostNode(code, len(_in_state(root, "finished")), finished, elsewhere, (root / "sweep.log").read_text())


@contextmanager
def _node(options: list[str], environment: dict[str, str], log: Path) -> Iterator[psutil.Process]:
    command = [str(Path(sys.executable).with_name("ray")), "start", *options, "--num-cpus=1", "--block"]
    command.append("--object-store-memory=100000000")
    with open(log, "w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(lambda: "Ray runtime started" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            _kill(psutil.Process(process.pid))
        process.wait()


def _kill(node: psutil.Process) -> None:
    """All of a node at once, as a power cut does: stopped first, so that nothing of it can react."""
    family = [node, *node.children(recursive=True)]
    for action in ("suspend", "kill"):
        for process in family:
            try:
                getattr(process, action)()
            except psutil.NoSuchProcess:
                continue


def _at_work(node: psutil.Process) -> int:
    """How many runs the node is doing."""
    found = 0
    for process in node.children(recursive=True):
        try:
            found += "rewardlab.sweep.child" in process.cmdline()
        except psutil.Error:
            continue
    return found


def _in_state(root: Path, state: str) -> list[Path]:
    files = root.glob("runs/*/*/*/*/status.json")
    return [path.parent for path in files if json.loads(path.read_text())["state"] == state]


def _wait(until, seconds: float = _ENDED) -> None:  # type: ignore[no-untyped-def]
    give_up = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < give_up
        time.sleep(0.1)
