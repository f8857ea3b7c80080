"""TensorBoard: event files in the run's folder, `tensorboard --logdir results/runs` shows them"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rewardlab.records.loggers.feed import tag
from rewardlab.records.loggers.side import SideProcess, launch
from rewardlab.schemas import LoggerConfig

VERSION = 1


@dataclass
class Config(LoggerConfig):
    def validate(self) -> None:
        if find_spec("tensorboard") is None:
            raise ValueError("plugin=tensorboard: the package tensorboard is not installed (pip install tensorboard)")


def start(config: Config, folder: Path) -> SideProcess | None:
    return launch("tensorboard", config, folder)


class Sink:
    """Writes event files with TensorBoard's own writer; torch is not needed. Steps are training frames."""

    def __init__(self, options: Mapping[str, Any], manifest: Mapping[str, Any], folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder / "tensorboard"))

    def write(self, table: str, row: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        named = {tag(table, column): value for column, value in row.items() if column != "frames"}
        values = [Summary.Value(tag=name, simple_value=value) for name, value in named.items()]
        self._writer.add_event(Event(step=int(row["frames"]), wall_time=time.time(), summary=Summary(value=values)))

    def flush(self) -> None:
        self._writer.flush()

    def close(self, state: str, summary: Mapping[str, Any]) -> None:
        self._writer.close()
