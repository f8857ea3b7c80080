"""Weights & Biases: offline files unless you are logged in, `wandb sync FOLDER` sends them later"""

import hashlib
import netrc
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rewardlab.records.loggers.feed import tag
from rewardlab.records.loggers.side import SideProcess, launch
from rewardlab.schemas import LoggerConfig, option

VERSION = 1
_FRAMES = "frames"
_INIT_SECONDS = 30  # for the service to answer, before the run is recorded offline


@dataclass
class Config(LoggerConfig):
    project: str = option("rewardlab", "the project that runs go to")
    entity: str | None = option(None, "the user or team; default: your own")
    mode: str = option(
        "auto", "auto: WANDB_MODE, else online if logged in", choices=("auto", "offline", "online", "disabled")
    )
    tags: list[str] = option([], "tags of the run")
    send_seconds: float = option(600.0, "longest wait for the service after the run, by the side process", above=0)

    def validate(self) -> None:
        if find_spec("wandb") is None:
            raise ValueError("plugin=wandb: the package wandb is not installed (pip install wandb)")


def start(config: Config, folder: Path) -> SideProcess | None:
    if resolve_mode(config.mode) == "online" and not _logged_in():
        later = f"later: wandb login; wandb sync {folder}/wandb/offline-run-*"
        print(f"logger=wandb: not logged in, so it records offline; {later}", file=sys.stderr, flush=True)
    return None if resolve_mode(config.mode) == "disabled" else launch("wandb", config, folder)


def resolve_mode(mode: str) -> str:
    """What `auto` comes to: WANDB_MODE where it is set, else online if there is a key, else offline."""
    if mode != "auto":
        return mode
    asked = os.environ.get("WANDB_MODE", "")
    if asked in ("online", "offline", "disabled"):
        return asked
    return "online" if _logged_in() else "offline"


def wandb_id(manifest: Mapping[str, Any], folder: Path) -> str:
    """The run's id at the service: the same for every session of a run, another one after `overwrite=true`."""
    name = str(manifest.get("run_id") or folder)
    return hashlib.sha256(name.encode()).hexdigest()[:16]


class Sink:
    """A wandb run whose x axis is training frames. It is built in the side process only."""

    def __init__(self, options: Mapping[str, Any], manifest: Mapping[str, Any], folder: Path) -> None:
        import wandb

        labels = manifest.get("labels") or {}
        setting = [str(labels.get(group, "")) for group in ("env", "reward", "agent")]
        arguments: dict[str, Any] = {
            "id": wandb_id(manifest, folder),
            "resume": "allow",
            "project": options.get("project") or "rewardlab",
            "entity": options.get("entity"),
            "tags": list(options.get("tags") or ()),
            "name": "/".join((*setting, f"seed{manifest.get('seed', '')}")),
            "group": f"{'/'.join(setting)}-{str(manifest.get('setting_id', ''))[:8]}"[:128],
            "config": {**(manifest.get("config") or {}), "run_id": manifest.get("run_id")},
            "dir": str(folder),
            # What this process uses says nothing about the run; nothing of the user's code is uploaded.
            "settings": wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                save_code=False,
                x_disable_stats=True,
                x_disable_meta=True,
                init_timeout=_INIT_SECONDS,
            ),
        }
        mode: Any = resolve_mode(str(options.get("mode", "auto")))
        try:
            self._run = wandb.init(mode=mode, **arguments)
        except Exception as error:
            if mode != "online":
                raise
            print(f"{type(error).__name__}: {error}\nrecorded offline; `wandb sync` sends it later", flush=True)
            wandb.teardown()  # its service still holds the run's id
            self._run = wandb.init(mode="offline", **arguments)
        self._run.define_metric("*", step_metric=_FRAMES)

    def write(self, table: str, row: Mapping[str, float]) -> None:
        named = {tag(table, column): value for column, value in row.items() if column != _FRAMES}
        self._run.log({_FRAMES: int(row[_FRAMES]), **named})

    def flush(self) -> None:
        """wandb writes by itself."""

    def close(self, state: str, summary: Mapping[str, Any]) -> None:
        self._run.summary.update({name: value for name, value in summary.items() if value is not None})
        self._run.finish(exit_code=0 if state in ("finished", "paused") else 1)


def _logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError, ValueError):
        return False
