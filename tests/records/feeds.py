"""A run that is fed to a logger, and what arrived."""

import time
from pathlib import Path

import psutil

from rewardlab.records.store import RunStore
from rewardlab.records.table import Table

TRAIN = ("frames", "return_mean", "loss/policy")
SECONDS = 300  # a bound for what takes one or two on an idle machine, a hundred on a crowded one
USER_LOGGER = '''
"""A user's own."""
import time
from dataclasses import dataclass
from rewardlab.records.loggers.side import launch
from rewardlab.schemas import LoggerConfig

@dataclass
class Config(LoggerConfig):
    send_seconds: float = 1.0
    hang: bool = False

def start(config, folder):
    return launch("mine", config, folder)

class Sink:
    def __init__(self, options, manifest, folder):
        self.hang = options["hang"]

    def write(self, table, row):
        if self.hang:
            time.sleep(3600)
        raise ConnectionError("the service is gone")
'''


def begin(folder: Path, run_id: str = "abc-0-1") -> RunStore:
    store = RunStore(folder)
    labels = {"env": "doorkey", "reward": "rnd", "agent": "ppo"}
    store.write_manifest({"run_id": run_id, "setting_id": "abc", "labels": labels, "seed": 0, "config": {"a.b": 1}})
    store.set_status("running", 0)
    return store


def append(table: Table, *frames: int) -> None:
    for frame in frames:
        table.append({"frames": frame, "return_mean": frame / 1000})


def wait_until(condition, seconds: float = SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def sent(folder: Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every number in the event files of a run, in the order of the files."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found = []
    for path in sorted((folder / "tensorboard").glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                number = value.tensor.float_val[0] if value.HasField("tensor") else value.simple_value
                found.append((value.tag, event.step, round(number, 6)))
    return found
