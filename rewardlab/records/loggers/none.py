"""No other place: the run's own tables only."""

from dataclasses import dataclass
from pathlib import Path

from rewardlab.records.loggers.side import SideProcess
from rewardlab.schemas import LoggerConfig

VERSION = 1


@dataclass
class Config(LoggerConfig):
    pass


def start(config: Config, folder: Path) -> SideProcess | None:
    return None
